import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { faultKinds } from "../../host/device/xrt/binding.ts";
import { XrtDevice } from "../../host/device/xrt/device.ts";
import type { ImageSource } from "../../host/engine/image-source.ts";
import { randomImage } from "../../host/engine/random-image.ts";
import { Session } from "../../host/engine/session.ts";
import { randomModel } from "../../quant/eval/reference/random-model.ts";
import { platforms } from "../../quant/format/platform.ts";
import { emulatorBuilt, openEmulator } from "./emulator.ts";

const model = randomModel(11, {
  sinks: 2,
  window: 40,
  config: { layers: 3, hiddenSize: 160, intermediateSize: 258, vocabSize: 259 },
});
const ids = Array.from({ length: 40 }, (_, i) => (i * 37) % 259);

describe.skipIf(!emulatorBuilt)("Session on the emulator (needs it built)", () => {
  const image = randomImage(model, platforms.tiny!);
  let device: XrtDevice;
  const fault = (kind: keyof typeof faultKinds, address = 0n, bit = 0) =>
    expect(device.library.emulator?.accllmEmuSetFault(device.handle, faultKinds[kind], address, bit)).toBe(0);

  beforeEach(async () => {
    const opened = await openEmulator("tiny");
    if (!(opened instanceof XrtDevice)) throw new Error("the emulator stands behind XRT's API");
    device = opened;
  });
  afterEach(() => device.close());

  it("gives the same logits for tokens at once, in blocks, one by one, and after a reset", async () => {
    const session = await Session.open({ device, image });
    const atOnce = await session.logitsForAll(ids);
    session.reset();
    const last = (await session.prefill(ids)).slice();
    expect(last).toEqual(atOnce.at(-1));
    session.reset();
    for (const [i, id] of ids.entries()) expect(await session.decode(id)).toEqual(atOnce[i]);
    expect(session.engine).toBe("golden");
    expect(session.modelledSecondsPerToken).toBeGreaterThan(0);
    await session.close();
  });

  it("has the cycles of the whole pass in its counters, and more of them for more tokens", async () => {
    const session = await Session.open({ device, image });
    await session.prefill(ids.slice(0, 1));
    const one = session.lastStatus!.cycles;
    session.reset();
    await session.prefill(ids.slice(0, 16));
    const sixteen = session.lastStatus!.cycles;
    for (const operation of ["embed", "norm", "matmul", "ropeKv", "attend", "siluMul", "logits"] as const) {
      expect(one[operation]).toBeGreaterThan(0n);
      expect(sixteen[operation]).toBeGreaterThanOrEqual(one[operation]);
    }
    expect(one.dump).toBe(0n);
    await session.close();
  });

  it("ends a prefill when the signal fires; afterwards the session gives right logits", async () => {
    const session = await Session.open({ device, image });
    const expected = await session.logitsForAll(ids);
    session.reset();
    const stop = new AbortController();
    const call = session.logitsForAll(ids, stop.signal);
    stop.abort();
    await expect(call).rejects.toMatchObject({ code: "INTERRUPTED", exitCode: 130 });
    session.reset();
    expect(await session.logitsForAll(ids)).toEqual(expected);
    await session.close();
  });

  it("reports a run that never completes, and closes all the same", async () => {
    const session = await Session.open({ device, image, timeoutMs: 50 });
    fault("runHangs");
    await expect(session.decode(1)).rejects.toMatchObject({ code: "RUN_TIMEOUT", exitCode: 4 });
    await session.close();
  });

  it("reports a card that is lost, and closes all the same", async () => {
    const session = await Session.open({ device, image });
    fault("deviceLost");
    await expect(session.decode(1)).rejects.toMatchObject({ exitCode: 4 });
    await session.close();
  });

  it("leaves nothing open where memory runs out", async () => {
    fault("outOfMemory");
    await expect(Session.open({ device, image })).rejects.toMatchObject({ exitCode: 4 });
    fault("none");
    const session = await Session.open({ device, image });
    expect((await session.decode(1)).length).toBe(259);
    await session.close();
  });

  it("reports activations that are not finite, and recovers with the next sequence", async () => {
    const infinity: ImageSource = {
      header: image.header,
      async readSection(name, target) {
        await image.readSection(name, target);
        // Token 1's embedding becomes infinite.
        const row = image.header.table.embedding.rowBeats * 64;
        if (name === "table") target.set([0x00, 0x7c], row);
      },
    };
    const session = await Session.open({ device, image: infinity });
    await expect(session.prefill([1])).rejects.toMatchObject({ code: "NON_FINITE", exitCode: 4 });
    session.reset();
    expect((await session.prefill([2, 3])).every(Number.isFinite)).toBe(true);
    await session.close();
  });

  it("shows a bit that flips in a bank", async () => {
    const session = await Session.open({ device, image });
    const before = (await session.prefill(ids)).slice();
    session.reset();
    // Bank 0 starts with the exponents of the first query rows.
    fault("bitFlip", platforms.tiny!.banks[0]!.base, 1);
    expect(await session.prefill(ids)).not.toEqual(before);
    await session.close();
  });
});
