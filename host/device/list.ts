import { existsSync } from "node:fs";
import { ENGINES } from "../config/engine.ts";
import { cardAccess } from "./card-access.ts";
import { type Card, findCards } from "./cards.ts";
import type { DeviceEntry } from "./check.ts";
import { type Machine, thisMachine } from "./machine.ts";
import { emulatorLibraryPath } from "./native.ts";
import { type CardReport, cardReport } from "./reports.ts";

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
  const cards = (await findCards(machine)).map((card) => cardEntry(card, machine));
  return [emulator, ...(await Promise.all(cards))];
}

async function cardEntry(card: Card, machine: Machine): Promise<DeviceEntry> {
  const { status, detail, hint } = await cardAccess(card, machine);
  const report = (await cardReport(machine, card.bdf)) ?? {};
  const shell = report.shell ?? card.shell;
  return {
    device: `xrt:${card.bdf}`,
    name: shell ?? "AMD card, shell unknown",
    bdf: card.bdf,
    ...report,
    ...(shell === undefined ? {} : { shell }),
    status,
    detail: [detail, ...reportText(report)].join(", "),
    ...(hint === undefined ? {} : { hint }),
  };
}

function reportText({ shellUuid, xclbinUuid, temperature, watts }: CardReport): string[] {
  return [
    ...(shellUuid === undefined ? [] : [`shell UUID ${shellUuid}`]),
    ...(xclbinUuid === undefined ? [] : [`xclbin ${xclbinUuid}`]),
    ...(temperature === undefined ? [] : [`${temperature} degrees C`]),
    ...(watts === undefined ? [] : [`${watts} W`]),
  ];
}
