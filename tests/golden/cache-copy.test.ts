import { describe, expect, it } from "vitest";
import type { EngineName } from "../../host/config/engine.ts";
import { randomImage } from "../../host/engine/random-image.ts";
import { Session } from "../../host/engine/session.ts";
import { randomModel } from "../../quant/eval/reference/random-model.ts";
import { platforms } from "../../quant/format/platform.ts";
import { emulatorBuilt, openEmulator } from "./emulator.ts";

/** Rings that do not end with a block of the cache; five heads in one channel, and in some of 32 channels. */
const [tiny, u280] = (["tiny", "u280"] as const).map((name) => {
  const { weightChannels, kvChannels } = platforms[name]!;
  const model = randomModel(21, {
    weightChannels,
    kvChannels,
    sinks: 3,
    window: 29,
    config: { layers: 3, heads: 5, kvHeads: 5, vocabSize: 259 },
  });
  return { name, image: randomImage(model, platforms[name]!) };
});

async function open(engine: EngineName, { name, image } = tiny!): Promise<Session> {
  return Session.open({ device: await openEmulator(name, engine), image, ownsDevice: true });
}

describe.skipIf(!emulatorBuilt)("copies of the cache (need the emulator built)", () => {
  it.each([
    [5, "golden", "fast"],
    [16, "fast", "golden"],
    [40, "golden", "fast"],
    [90, "fast", "golden"],
    [40, "golden", "fast", u280],
  ] as const)("of %i tokens from the %s engine go on bit for bit on the %s one", async (...row) => {
    const [tokens, from, to, on = tiny!] = row;
    const ids = Array.from({ length: tokens + 70 }, (_, i) => (i * 37 + 5) % 259);
    const first = await open(from, on);
    await first.logitsForAll(ids.slice(0, tokens));
    const copy = first.readCache(tokens);
    expect(copy.length).toBe(first.cacheBytes(tokens));
    const expected = await first.logitsForAll(ids.slice(tokens));
    await first.close();

    const second = await open(to, on);
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
    const wide = await open("fast", u280!);
    // 3 layers with keys and values of 5 heads, however many channels there are.
    expect(wide.cacheBytes(16)).toBe(3 * 2 * 5 * wide.plan.kv.blockBeats * 64);
    await wide.close();
    expect(() => session.writeCache(5, new Uint8Array(3))).toThrow(RangeError);
    await session.close();
  });
});
