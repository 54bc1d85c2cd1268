import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { DeviceError } from "../errors.ts";
import { type Card, findCards, indexOrder } from "./cards.ts";
import type { CheckStatus } from "./check.ts";
import type { Machine } from "./machine.ts";
import { addressOf, type DeviceAddress, requireDifferent } from "./specification.ts";

export interface CardAccess {
  readonly status: CheckStatus;
  readonly detail: string;
  readonly hint?: string;
  /** Code of the error that opening it would be; absent where nothing is wrong. */
  readonly code?: "NO_DRIVER" | "CARD_NOT_READY" | "NO_PERMISSION";
}

/** Whether this process may use a card: driver bound, card ready, render node readable and writable. */
export async function cardAccess(card: Card, machine: Machine): Promise<CardAccess> {
  if (card.driver !== "xocl") {
    const bound =
      card.driver === undefined ? "no driver is bound to it" : `driver ${card.driver} is bound to it`;
    return {
      status: "fail",
      code: "NO_DRIVER",
      detail: bound,
      hint: "Install XRT with its driver xocl, then `modprobe xocl`.",
    };
  }
  if (!card.ready || card.renderNode === undefined) {
    return {
      status: "fail",
      code: "CARD_NOT_READY",
      detail:
        card.renderNode === undefined
          ? "driver xocl made no render node for it"
          : "driver xocl says that it is not ready",
      hint: "Look at `dmesg | grep xocl`; the card may need its shell flashed or a cold boot.",
    };
  }
  try {
    await access(join(machine.root, card.renderNode), constants.R_OK | constants.W_OK);
  } catch {
    return {
      status: "fail",
      code: "NO_PERMISSION",
      detail: `no permission to read and write ${card.renderNode}`,
      hint: "Add yourself to the group render (`sudo usermod -aG render $USER`) and log in again.",
    };
  }
  return { status: "ok", detail: `driver xocl, ${card.renderNode}` };
}

/**
 * The card that an index or an address names.
 * @throws DeviceError NO_CARD, CARD_UNKNOWN.
 */
export async function requireCard(address: DeviceAddress, machine: Machine): Promise<Card> {
  const cards = indexOrder(await findCards(machine));
  if (cards.length === 0) {
    throw new DeviceError("NO_CARD", "There is no AMD card on this machine's PCIe bus.", {
      hint: "Use --device emulator, which computes the same bits; if a card is built in, look at `lspci -d 10ee:`.",
    });
  }
  const card = "bdf" in address ? cards.find(({ bdf }) => bdf === address.bdf) : cards[address.index];
  if (card !== undefined) return card;
  const wanted = "bdf" in address ? `at ${address.bdf}` : `with index ${address.index}`;
  throw new DeviceError("CARD_UNKNOWN", `There is no card ${wanted}.`, {
    hint: `The cards of this machine: ${cards.map(({ bdf }) => `xrt:${bdf}`).join(", ")}.`,
  });
}

/**
 * Refuses a list of devices that names one card by its index and by its address.
 * @throws UsageError DEVICE_UNKNOWN, DEVICE_TWICE
 */
export async function requireDifferentCards(names: readonly string[], machine: Machine): Promise<void> {
  const cards = indexOrder(await findCards(machine));
  requireDifferent(
    names.map((name) => {
      const address = addressOf(name);
      return [name, address !== undefined && "index" in address ? cards[address.index] : address];
    }),
  );
}

/**
 * Refuses a card that this process cannot use.
 * @throws DeviceError NO_DRIVER, CARD_NOT_READY, NO_PERMISSION.
 */
export async function requireAccess(card: Card, machine: Machine): Promise<void> {
  const { code, detail, hint } = await cardAccess(card, machine);
  if (code === undefined) return;
  throw new DeviceError(code, `The card ${card.bdf} cannot be used: ${detail}.`, hint ? { hint } : {});
}
