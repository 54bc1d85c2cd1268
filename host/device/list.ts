import { existsSync } from "node:fs";
import { ENGINES } from "../config/engine.ts";
import { cardAccess } from "./card-access.ts";
import { findCards } from "./cards.ts";
import type { DeviceEntry } from "./check.ts";
import { type Machine, thisMachine } from "./machine.ts";
import { emulatorLibraryPath } from "./native.ts";

/** Every device that --device can name: the emulator, then the cards on the PCIe bus. */
export async function listDevices(machine: Machine = thisMachine): Promise<DeviceEntry[]> {
  const library = emulatorLibraryPath();
  const name = `emulator (${ENGINES.join(", ")})`;
  const emulator: DeviceEntry = existsSync(library)
    ? { device: "emulator", name, status: "ok", detail: library }
    : {
        device: "emulator",
        name,
        status: "fail",
        detail: `${library} does not exist`,
        hint: "Run `npm run build`; it needs cmake and a C++ compiler.",
      };
  const cards = (await findCards(machine)).map(async (card) => ({
    device: `xrt:${card.bdf}`,
    name: card.shell ?? "AMD card, shell unknown",
    ...(await cardAccess(card, machine)),
  }));
  return [emulator, ...(await Promise.all(cards))];
}
