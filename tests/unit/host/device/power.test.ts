import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { findCards } from "../../../../host/device/cards.ts";
import { thisMachine } from "../../../../host/device/machine.ts";
import { cardPower, PowerMeter, type PowerSensor } from "../../../../host/device/power.ts";
import { FakeMachine } from "./fake-machine.ts";

const bdf = "0000:3b:00.1";
/** Checks its options, counts its calls, and writes the report that $REPORT has. */
const xbutil = String.raw`#!/usr/bin/env node
const fs = require("fs");
const argv = process.argv.slice(2);
fs.appendFileSync(process.env.CALLS, argv.join(" ") + "\n");
const at = (name) => argv[argv.indexOf(name) + 1];
if (argv[0] !== "examine" || at("--device") !== "${bdf}" || at("--format") !== "JSON") process.exit(1);
fs.copyFileSync(process.env.REPORT, at("--output"));
`;

let machine: FakeMachine;
beforeEach(() => {
  machine = new FakeMachine();
});
afterEach(() => {
  vi.unstubAllEnvs();
  machine.remove();
});

async function sensor(files: Record<string, string> = {}, from = machine as typeof thisMachine) {
  machine.addCard({ bdf, driver: "xocl", renderNode: "renderD128", files });
  return cardPower((await findCards(machine))[0]!, from);
}

/** A report of `xbutil examine` with what the card draws. */
function report(watts: string): string {
  return JSON.stringify({ devices: [{ device_id: bdf, electrical: { power_consumption_watts: watts } }] });
}

describe("a card's power", () => {
  it("is read from the driver's file, in microwatts", async () => {
    expect(await (await sensor({ "xmc.u.19922944/xmc_power": "43250000" })).watts()).toBe(43.25);
  });

  it("else from the report of xbutil, a program that is run with its documented options", async () => {
    const bin = join(machine.root, "bin");
    mkdirSync(bin);
    writeFileSync(join(bin, "xbutil"), xbutil);
    chmodSync(join(bin, "xbutil"), 0o755);
    const calls = join(machine.root, "calls");
    vi.stubEnv("PATH", `${bin}:${process.env.PATH}`);
    vi.stubEnv("CALLS", calls);
    vi.stubEnv("REPORT", join(machine.root, "report.json"));
    writeFileSync(join(machine.root, "report.json"), report("31.500000"));
    const real = await sensor({ "xmc.u.1/xmc_power": "0" }, thisMachine);
    expect(await real.watts()).toBe(31.5);
    writeFileSync(join(machine.root, "report.json"), report("N/A"));
    expect(await real.watts()).toBeUndefined();
    expect(await real.watts()).toBeUndefined();
    // Who says nothing is asked once.
    expect(readFileSync(calls, "utf8").trim().split("\n")).toHaveLength(2);
  });

  it.each([["N/A"], ["0.000000"], ["-1"]])(
    "is not known where the report says %s, or there is none",
    async (text) => {
      machine.report = report(text);
      expect(await (await sensor()).watts()).toBeUndefined();
      machine.report = undefined;
      machine.removeCard(bdf);
      expect(await (await sensor({ "xmc.u.1/other": "1" })).watts()).toBeUndefined();
    },
  );
});

describe("PowerMeter", () => {
  /** Resolves when the sensor has been read so often. */
  function readings(values: readonly (number | undefined)[]) {
    let reached: () => void;
    const all = new Promise<void>((resolve) => {
      reached = resolve;
    });
    let next = 0;
    const source: PowerSensor = {
      async watts() {
        if (next === values.length) reached();
        return values[next++];
      },
    };
    return { source, all, count: () => next };
  }

  it("means the readings that were taken in the pieces of time asked for", async () => {
    const { source, all } = readings([10, 20, 60]);
    const from = performance.now();
    const meter = new PowerMeter(source, 1);
    await all;
    meter.stop();
    const to = performance.now();
    expect(meter.mean([{ from, to }])).toBe(30);
    expect(meter.mean([{ from: from - 10, to: from - 5 }])).toBeUndefined();
    expect(meter.mean([])).toBeUndefined();
  });

  it("asks no sensor again that does not answer, or fails", async () => {
    const { source, all, count } = readings([]);
    const meter = new PowerMeter(source, 1);
    const failing = new PowerMeter({ watts: () => Promise.reject(new Error("gone")) }, 1);
    await all;
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(count()).toBe(1);
    const always = [{ from: 0, to: Number.POSITIVE_INFINITY }];
    expect(meter.mean(always)).toBeUndefined();
    expect(failing.mean(always)).toBeUndefined();
    meter.stop();
    failing.stop();
  });
});
