import { describe, expect, it } from "vitest";
import type { EngineName } from "../../host/config/engine.ts";
import { randomImage } from "../../host/engine/random-image.ts";
import { Session } from "../../host/engine/session.ts";
import { randomModel } from "../../quant/eval/reference/random-model.ts";
import { platforms } from "../../quant/format/platform.ts";
import { emulatorBuilt, openEmulator } from "./emulator.ts";

/** Five heads in one channel, and a ring that does not end with a block of the cache. */
const model = randomModel(21, {
  sinks: 3,
  window: 29,
  config: { layers: 3, heads: 5, kvHeads: 5, vocabSize: 259 },
});
const image = randomImage(model, platforms.tiny!);

async function open(engine: EngineName): Promise<Session> {
  return Session.open({ device: await openEmulator("tiny", engine), image, ownsDevice: true });
}

describe.skipIf(!emulatorBuilt)("copies of the cache (need the emulator built)", () => {
  it.each([
    [5, "golden", "fast"],
    [16, "fast", "golden"],
    [40, "golden", "fast"],
    [90, "fast", "golden"],
  ] as const)("of %i tokens from the %s engine go on bit for bit on the %s one", async (tokens, from, to) => {
    const ids = Array.from({ length: tokens + 70 }, (_, i) => (i * 37 + 5) % 259);
    const first = await open(from);
    await first.logitsForAll(ids.slice(0, tokens));
    const copy = first.readCache(tokens);
    expect(copy.length).toBe(first.cacheBytes(tokens));
    const expected = await first.logitsForAll(ids.slice(tokens));
    await first.close();

    const second = await open(to);
    // Another sequence has been there.
    await second.logitsForAll(ids.map((id) => (id + 1) % 259));
    second.writeCache(tokens, copy);
    second.startAt(tokens);
    expect(await second.logitsForAll(ids.slice(tokens))).toEqual(expected);
    await second.close();
  });

  it("take what a sequence uses, and refuse what is of another length", async () => {
    const session = await open("fast");
    expect(session.cacheBytes(16)).toBeLessThan(session.cacheBytes(17));
    expect(session.cacheBytes(1_000_000)).toBe(
      session.plan.kv.layerBeats * 64 * session.plan.kv.channels * session.layers,
    );
    expect(() => session.writeCache(5, new Uint8Array(3))).toThrow(RangeError);
    await session.close();
  });
});
