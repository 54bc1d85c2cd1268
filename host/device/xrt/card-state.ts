import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Card } from "../cards.ts";

/** Whether the card has left the PCIe bus. */
export function cardGone(card: Card): boolean {
  return !existsSync(card.folder);
}

/**
 * Memory errors that ECC could not correct, over all memory controllers, as XRT's driver counts them in sysfs
 * (mig*\/ecc_ue_cnt). 0 where a shell has no such counters.
 */
export function uncorrectableErrors(card: Card): number {
  let errors = 0;
  try {
    for (const name of readdirSync(card.folder)) {
      if (!name.startsWith("mig")) continue;
      const counter = join(card.folder, name, "ecc_ue_cnt");
      if (existsSync(counter)) errors += Number(readFileSync(counter, "utf8").trim()) || 0;
    }
  } catch {
    // The card is going away; the call that fails next says so.
  }
  return errors;
}
