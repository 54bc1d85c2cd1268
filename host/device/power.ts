import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Card } from "./cards.ts";
import type { Machine } from "./machine.ts";
import { cardReport } from "./reports.ts";

/** What a card draws, by a sensor of its own. */
export interface PowerSensor {
  /** Watts of the whole card now; undefined where no sensor answers. */
  watts(): Promise<number | undefined>;
}

/**
 * The sensor of a card: the file that XRT's driver has for it (xmc.*\/xmc_power in sysfs, in microwatts, which XRT's own
 * power_microwatts reads), else the report of `xbutil examine`.
 */
export function cardPower(card: Card, machine: Machine): PowerSensor {
  let silent = false;
  return {
    async watts() {
      if (silent) return undefined;
      const watts = driverPower(card) ?? positive((await cardReport(machine, card.bdf))?.watts);
      // Asking takes a process and a second; who has no sensor is asked once.
      silent = watts === undefined;
      return watts;
    },
  };
}

function driverPower(card: Card): number | undefined {
  try {
    const folder = readdirSync(card.folder).find((name) => /^xmc(\.|$)/.test(name));
    if (folder === undefined) return undefined;
    return positive(Number(readFileSync(join(card.folder, folder, "xmc_power"), "utf8")) / 1e6);
  } catch {
    return undefined;
  }
}

/** A sensor that is not there reads as 0. */
function positive(watts: number | undefined): number | undefined {
  return watts !== undefined && watts > 0 ? watts : undefined;
}

/** A piece of time by performance.now(), in milliseconds. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Milliseconds between two readings: as often as the card's controller measures anew. */
const intervalMs = 100;

/** Reads a sensor again and again until it is stopped. */
export class PowerMeter {
  readonly #readings: { readonly at: number; readonly watts: number }[] = [];
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(sensor: PowerSensor, everyMs = intervalMs) {
    const read = async () => {
      const from = performance.now();
      const watts = await sensor.watts().catch(() => undefined);
      // Without an answer there is no sensor, and nobody is asked again.
      if (this.#stopped || watts === undefined) return;
      // A report takes its time: what it says is of the middle of it.
      this.#readings.push({ at: (from + performance.now()) / 2, watts });
      this.#timer = setTimeout(read, everyMs);
      this.#timer.unref();
    };
    void read();
  }

  /** Mean watts of the readings taken in these pieces of time; undefined where there was none. */
  mean(spans: readonly Span[]): number | undefined {
    const inside = this.#readings.filter(({ at }) => spans.some(({ from, to }) => at >= from && at <= to));
    if (inside.length === 0) return undefined;
    return inside.reduce((sum, { watts }) => sum + watts, 0) / inside.length;
  }

  /** Reads no more. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }
}
