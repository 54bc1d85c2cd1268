/**
 * soak-scenario XCLBIN RUNS SEED LIBRARY: runs with faults at random through the binding. Every fault must be reported as
 * its own error, and the very next run must work. Prints one JSON object; needs --expose-gc.
 */
import type { DeviceBuffer, Kernel } from "../../host/device/device.ts";
import { openDevice } from "../../host/device/open.ts";
import { faultKinds } from "../../host/device/xrt/binding.ts";
import type { XrtDevice } from "../../host/device/xrt/device.ts";
import { AccllmError } from "../../host/errors.ts";

const [, , xclbin = "", runs = "0", seed = "1", libraryPath = ""] = process.argv;
const jobUntilCancelled = 0xffffffff;
const collect = globalThis.gc ?? (() => {});

/** mulberry32, a generator of 32 bits. */
let state = Number(seed);
function random(): number {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

interface Opened {
  readonly device: XrtDevice;
  readonly kernel: Kernel;
  readonly args: Record<"w0" | "w1" | "kv0" | "table" | "io", DeviceBuffer>;
}

async function open(): Promise<Opened> {
  const device = (await openDevice("emulator", { libraryPath })) as XrtDevice;
  device.load(xclbin);
  const kernel = device.openKernel("accllm");
  const buffer = (name: string) => kernel.allocate(name, 4096);
  const [w0, w1, kv0] = [buffer("w0"), buffer("w1"), buffer("kv0")];
  return { device, kernel, args: { w0, w1, kv0, table: buffer("table"), io: buffer("io") } };
}

const expected: string[] = [];
const faults = new Map<string, number>();

/** Does what must fail, and notes anything else than the error it must fail with. */
async function fails(code: string, what: () => unknown): Promise<void> {
  faults.set(code, (faults.get(code) ?? 0) + 1);
  try {
    await what();
    expected.push(`${code}: nothing was thrown`);
  } catch (error) {
    if (!(error instanceof AccllmError) || error.code !== code) expected.push(`${code}: ${error}`);
  }
}

let opened = await open();
function fault(kind: keyof typeof faultKinds, address = 0n, bit = 0): void {
  opened.device.library.emulator?.accllmEmuSetFault(opened.device.handle, faultKinds[kind], address, bit);
}

/** One fault by its number, or a run without one. */
async function round(kind: number): Promise<void> {
  const { device, kernel, args } = opened;
  const run = { ...args, job: 1 };
  if (kind === 0) {
    fault("runHangs");
    await fails("RUN_TIMEOUT", () => kernel.run(run, { timeoutMs: 2 }));
  } else if (kind === 1) {
    fault("runFails");
    await fails("RUN_FAILED", () => kernel.run(run));
  } else if (kind === 2) {
    fault("eccError");
    await fails("ECC_ERROR", () => kernel.run(run));
  } else if (kind === 3) {
    fault("outOfMemory");
    await fails("OUT_OF_DEVICE_MEMORY", () => kernel.allocate("w0", 64));
  } else if (kind === 4) {
    const stop = AbortSignal.timeout(2);
    await fails("INTERRUPTED", () => kernel.run({ ...args, job: jobUntilCancelled }, { signal: stop }));
  } else if (kind === 5) {
    fault("loadBusy");
    await fails("XCLBIN_BUSY", () => device.load(xclbin));
  } else if (kind === 6) {
    fault("loadRefused");
    await fails("XCLBIN_NOT_LOADED", () => device.load(xclbin));
  } else if (kind === 7) {
    fault("deviceLost");
    await fails("DEVICE_LOST", () => kernel.run(run));
    device.close();
    opened = await open();
  } else if (kind === 8) {
    args.table.map()[5] = 0;
    args.table.sync("toDevice");
    fault("bitFlip", args.table.address + 5n, 2);
    args.table.sync("fromDevice");
    if (args.table.map()[5] !== 4) expected.push("BIT_FLIP: the bit is not flipped");
    faults.set("BIT_FLIP", (faults.get("BIT_FLIP") ?? 0) + 1);
  }
  if (kind < 7) fault("none");
}

const total = Number(runs);
const samples: number[] = [];
const kinds = 9;
/** One run in fifty has a fault. */
const oneIn = 50;
for (let i = 0; i < total; i++) {
  const draw = Math.floor(random() * kinds * oneIn);
  if (draw < kinds) await round(draw);
  const { kernel, args } = opened;
  try {
    await kernel.run({ ...args, job: i & 0xffff });
  } catch (error) {
    expected.push(`the session was not usable after fault ${draw}: ${error}`);
  }
  if ((i + 1) % Math.max(1, Math.floor(total / 10)) === 0) {
    collect();
    samples.push(process.memoryUsage().rss);
  }
}
opened.device.close();
const report = {
  runs: total,
  unexpected: expected.slice(0, 10),
  faults: Object.fromEntries(faults),
  samples,
};
process.stdout.write(`${JSON.stringify(report)}\n`);
