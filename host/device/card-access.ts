import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { join } from "node:path";
import type { Card } from "./cards.ts";
import type { CheckStatus } from "./check.ts";
import type { Machine } from "./machine.ts";

export interface CardAccess {
  readonly status: CheckStatus;
  readonly detail: string;
  readonly hint?: string;
}

/** Whether this process may use a card: driver bound, render node readable and writable. */
export async function cardAccess(card: Card, machine: Machine): Promise<CardAccess> {
  if (card.driver !== "xocl") {
    const bound =
      card.driver === undefined ? "no driver is bound to it" : `driver ${card.driver} is bound to it`;
    return { status: "fail", detail: bound, hint: "Install XRT with its driver xocl, then `modprobe xocl`." };
  }
  if (card.renderNode === undefined) {
    return {
      status: "fail",
      detail: "driver xocl made no render node for it",
      hint: "Look at `dmesg | grep xocl`; the card may need its shell flashed or a cold boot.",
    };
  }
  try {
    await access(join(machine.root, card.renderNode), constants.R_OK | constants.W_OK);
  } catch {
    return {
      status: "fail",
      detail: `no permission to read and write ${card.renderNode}`,
      hint: "Add yourself to the group render (`sudo usermod -aG render $USER`) and log in again.",
    };
  }
  return { status: "ok", detail: `driver xocl, ${card.renderNode}` };
}
