import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { kvLayout, slotOf } from "../../../../quant/format/kv-layout.ts";
import { limits } from "../../../../quant/format/limits.ts";

describe("kvLayout", () => {
  test("head size 64: a block is a beat of scales and sixteen slots of 32 bytes", () => {
    const layout = kvLayout({ kvHeads: 3, headDim: 64 }, 4, 2044, 2);
    expect(layout).toMatchObject({ headsPerChannel: 2, ring: 2059, blocks: 129, blockBeats: 9 });
    expect(layout.regionBeats).toBe(129 * 9);
    expect(layout.layerBeats).toBe(2 * 2 * 129 * 9);
  });

  test("codes of small and odd heads are padded to whole beats", () => {
    expect(kvLayout({ kvHeads: 1, headDim: 6 }, 0, 1, 1).blockBeats).toBe(1 + 1);
    expect(kvLayout({ kvHeads: 1, headDim: 10 }, 0, 1, 1).blockBeats).toBe(1 + 2);
    expect(kvLayout({ kvHeads: 1, headDim: 128 }, 0, 1, 1).blockBeats).toBe(1 + 16);
  });
});

describe("slotOf", () => {
  test("sinks stay, the rest goes round", () => {
    expect([0, 3, 4, 5, 13, 14, 24].map((p) => slotOf(p, 4, 10))).toEqual([0, 3, 4, 5, 13, 4, 4]);
    expect([0, 1, 2, 3].map((p) => slotOf(p, 0, 3))).toEqual([0, 1, 2, 0]);
  });

  test("a block of tokens overwrites nothing that its first token still attends to", () => {
    const numbers = fc.tuple(fc.nat(4), fc.integer({ min: 1, max: 40 }), fc.nat(5_000_000));
    fc.assert(
      fc.property(numbers, ([sinks, window, first]) => {
        const { ring, blocks } = kvLayout({ kvHeads: 1, headDim: 8 }, sinks, window, 1);
        const seen = new Map<number, number>();
        for (let j = 0; j < Math.min(sinks, first); j++) seen.set(slotOf(j, sinks, ring), j);
        for (let j = Math.max(sinks, first - window + 1); j <= first; j++)
          seen.set(slotOf(j, sinks, ring), j);
        for (let j = first; j < first + limits.blockTokens; j++) {
          const slot = slotOf(j, sinks, ring);
          expect(slot).toBeLessThan(16 * blocks);
          expect(seen.get(slot) ?? j).toBe(j);
        }
      }),
    );
  });
});
