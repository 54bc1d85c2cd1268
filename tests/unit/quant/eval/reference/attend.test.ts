import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type AttendContext,
  attendedKeys,
  attendHead,
  attentionBlock,
  sinkQueryPosition,
} from "../../../../../quant/eval/reference/attend.ts";
import { exp24 } from "../../../../../quant/eval/reference/exp24.ts";
import { hadamard } from "../../../../../quant/eval/reference/hadamard.ts";
import { KvCache } from "../../../../../quant/eval/reference/kv-cache.ts";
import { kv4 } from "../../../../../quant/eval/reference/kv4.ts";
import { Random } from "../../../../../quant/eval/reference/random.ts";
import { distanceTable, rope, rotationAt } from "../../../../../quant/eval/reference/rope.ts";
import { kvLayout } from "../../../../../quant/format/kv-layout.ts";
import { ropeFrequencies } from "../../../../../quant/format/rope.ts";
import { pageKv } from "../../page-layout.ts";
import { dot, rotate, rotateBlocks, streamingAttention } from "./float-llama.ts";

interface Case {
  readonly seed: number;
  readonly D: number;
  readonly tokens: number;
  readonly sinks: number;
  readonly window: number;
  readonly rotated: boolean;
  readonly mean: Float32Array | undefined;
  readonly keyOffset?: Float32Array;
}

const frequenciesOf = (D: number): Float64Array =>
  ropeFrequencies({ headDim: D, ropeTheta: 10000, ropeScaling: null });

/** Caches random keys and values as ropeKv does and attends from the last token. */
function run({ seed, D, tokens, sinks, window, rotated, mean, keyOffset }: Case) {
  const random = new Random(seed);
  const vector = (size: number): Float32Array =>
    Float32Array.from({ length: D }, () => size * random.normal());
  const q = vector(1.5);
  const keys = Array.from({ length: tokens }, () => vector(1.5).map((x, i) => x + (keyOffset?.[i] ?? 0)));
  const values = Array.from({ length: tokens }, () => vector(1));
  const frequencies = frequenciesOf(D);
  const block = attentionBlock(D, rotated);
  const layout = kvLayout({ kvHeads: 1, headDim: D }, sinks, window, 1);
  const cache = new KvCache(layout, { kvHeads: 1, headDim: D }, sinks);
  keys.forEach((k, p) => {
    const centred = k.map((x, i) => x - (mean?.[i] ?? 0));
    const key = kv4(hadamard(rope(centred, rotationAt(p, frequencies)), block));
    cache.write(0, p, key, kv4(hadamard(values[p]!, block)));
  });
  const position = tokens - 1;
  const context: AttendContext = {
    position,
    sinks,
    window,
    ring: layout.ring,
    block,
    rotation: rotationAt(position, frequencies),
    sinkRotation: rotationAt(sinkQueryPosition(position, sinks, window), frequencies),
    distances: distanceTable(sinks + window, frequencies),
  };
  const out = attendHead(q, cache.heads[0]!, mean, context);
  return { q, keys, values, cache, out, frequencies: [...frequencies], block };
}

/** What the cache holds of a position, turned back to a plain key or value in doubles. */
function cached(test: Case, cache: KvCache, part: "key" | "value", position: number): number[] {
  const { D, sinks, window, rotated, mean } = test;
  const shape = { kvHeads: 1, headDim: D, kvChannels: 1, sinks, window };
  const stored = pageKv(shape, [cache.bytes(0)], 0, part, position);
  const h = attentionBlock(D, rotated);
  const plain = rotateBlocks(stored, h).map((x) => x / h);
  if (part === "value") return plain;
  return rotate(plain, -position, [...frequenciesOf(D)]).map((x, i) => x + (mean?.[i] ?? 0));
}

const cases = fc.record({
  seed: fc.nat(),
  D: fc.constantFrom(2, 6, 8, 10, 12, 32, 64),
  tokens: fc.integer({ min: 1, max: 90 }),
  sinks: fc.nat(4),
  window: fc.integer({ min: 1, max: 40 }),
  rotated: fc.boolean(),
});

function means(seed: number, D: number): Float32Array {
  const random = new Random(seed ^ 0x55);
  return Float32Array.from({ length: D }, () => random.normal() * (random.chance(0.2) ? 4 : 0.5));
}

describe("attendedKeys", () => {
  const of = (p: number, sinks: number, window: number): [number, number, boolean][] =>
    attendedKeys(p, sinks, window, window + 15).map((k) => [k.slot, k.distance, k.sink]);

  test("sinks, then the window with the current token", () => {
    expect(of(2, 1, 4)).toEqual([
      [0, 2, true],
      [1, 1, false],
      [2, 0, false],
    ]);
    expect(of(9, 2, 3)).toEqual(
      [
        [0, 4, true],
        [1, 3, true],
        [9, 2, false],
        [8, 1, false],
        [9, 0, false],
      ].map(([slot, d, s], i) => [i < 2 ? slot : 2 + ((9 - (d as number) - 2) % 18), d, s]),
    );
    expect(of(0, 4, 2)).toEqual([[0, 0, true]]);
    expect(of(1, 0, 1)).toEqual([[1, 0, false]]);
  });

  test("places are those of StreamingLLM's cache, without gap", () => {
    fc.assert(
      fc.property(fc.nat(3000), fc.nat(4), fc.integer({ min: 1, max: 50 }), (p, sinks, window) => {
        const distances = of(p, sinks, window).map(([, distance]) => distance);
        expect(distances).toHaveLength(Math.min(p + 1, sinks + window));
        expect(distances).toEqual([...distances.keys()].reverse());
      }),
    );
  });
});

describe("attendHead", () => {
  test("is StreamingLLM attention over what the cache holds", () => {
    fc.assert(
      fc.property(cases, fc.boolean(), (base, centred) => {
        const test = { ...base, mean: centred ? means(base.seed, base.D) : undefined };
        const { q, out, cache, frequencies } = run(test);
        const ring = test.window + 15;
        // Keys that left the window may be overwritten; the formulation does not look at them.
        const alive = (p: number): boolean => p < test.sinks || p > test.tokens - 1 - ring;
        const read = (part: "key" | "value"): number[][] =>
          Array.from({ length: test.tokens }, (_, p) =>
            alive(p) ? cached(test, cache, part, p) : Array.from(q, () => Number.NaN),
          );
        const values = read("value");
        const exact = streamingAttention([...q], read("key"), values, test.sinks, test.window, frequencies);
        const largest = Math.max(...values.flat().filter(Number.isFinite).map(Math.abs));
        exact.forEach((x, i) => {
          expect(Math.abs(out.values[i]! - x)).toBeLessThan(0.1 * largest);
        });
        expect(out.finite).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  test("centring changes nothing but the error: with keys far from zero it is much smaller", () => {
    const offset = means(3, 64).map((x) => 4 * x);
    let [plain, centred] = [0, 0];
    for (let seed = 0; seed < 20; seed++) {
      const base = { seed, D: 64, tokens: 60, sinks: 4, window: 30, rotated: false, keyOffset: offset };
      const error = (mean: Float32Array | undefined): number => {
        const { q, keys, values, out, frequencies } = run({ ...base, mean });
        const lists = [keys, values].map((list) => list.map((v) => [...v]));
        const exact = streamingAttention([...q], lists[0]!, lists[1]!, 4, 30, frequencies);
        const wrong = exact.map((x, i) => out.values[i]! - x);
        return Math.sqrt(dot(wrong, wrong) / dot(exact, exact));
      };
      plain += error(undefined) / 20;
      centred += error(offset) / 20;
    }
    expect(centred).toBeLessThan(0.2);
    expect(plain).toBeGreaterThan(2 * centred);
  });

  test("a mean of zero gives the very bits of no mean", () => {
    fc.assert(
      fc.property(cases, (base) => {
        const zero = run({ ...base, mean: new Float32Array(base.D) });
        expect(zero.out).toEqual(run({ ...base, mean: undefined }).out);
      }),
      { numRuns: 30 },
    );
  });

  test("a long tail of small probabilities keeps its weight: one exponent a block, not one for all", () => {
    const D = 2;
    const layout = kvLayout({ kvHeads: 1, headDim: D }, 0, 2000, 1);
    const cache = new KvCache(layout, { kvHeads: 1, headDim: D }, 0);
    const rotation = { cos: Float32Array.of(1), sin: Float32Array.of(0) };
    const tokens = 2000;
    // The last key scores 7 more than the others, whose values are 1 where its own is 0.
    const high = Math.fround(7 * Math.sqrt(2));
    for (let p = 0; p < tokens; p++) {
      const last = p === tokens - 1;
      cache.write(0, p, kv4(Float32Array.of(last ? high : 0, 0)), kv4(Float32Array.of(last ? 0 : 1, 0)));
    }
    const context = {
      position: tokens - 1,
      sinks: 0,
      window: tokens,
      ring: layout.ring,
      block: 1,
      rotation,
      sinkRotation: rotation,
      distances: distanceTable(tokens, Float64Array.of(1)),
    };
    const { values } = attendHead(Float32Array.of(1, 0), cache.heads[0]!, undefined, context);
    const tail = (tokens - 1) * Math.exp(-7);
    expect(values[0]).toBeCloseTo(tail / (1 + tail), 2);
  });

  test("constant values come through whatever the probabilities: Z and the minima's sum agree", () => {
    const random = new Random(11);
    const layout = kvLayout({ kvHeads: 1, headDim: 4 }, 2, 20, 1);
    const cache = new KvCache(layout, { kvHeads: 1, headDim: 4 }, 2);
    const frequencies = frequenciesOf(4);
    for (let p = 0; p < 50; p++) {
      const key = Float32Array.from({ length: 4 }, () => 3 * random.normal());
      cache.write(0, p, kv4(key), kv4(Float32Array.of(-1.5, -1.5, -1.5, -1.5)));
    }
    const context = {
      position: 49,
      sinks: 2,
      window: 20,
      ring: layout.ring,
      block: 1,
      rotation: rotationAt(49, frequencies),
      sinkRotation: rotationAt(21, frequencies),
      distances: distanceTable(22, frequencies),
    };
    const q = Float32Array.of(1, -2, 3, 0.5);
    for (const o of attendHead(q, cache.heads[0]!, undefined, context).values) expect(o).toBeCloseTo(-1.5, 5);
  });

  test("one key by hand", () => {
    const layout = kvLayout({ kvHeads: 1, headDim: 2 }, 0, 4, 1);
    const cache = new KvCache(layout, { kvHeads: 1, headDim: 2 }, 0);
    cache.write(0, 0, kv4(Float32Array.of(1, 2)), kv4(Float32Array.of(0, 7.5)));
    const rotation = { cos: Float32Array.of(1), sin: Float32Array.of(0) };
    const context = {
      position: 0,
      sinks: 0,
      window: 4,
      ring: layout.ring,
      block: 1,
      rotation,
      sinkRotation: rotation,
      distances: distanceTable(4, Float64Array.of(1)),
    };
    // P = 2^24, vscale = 0.5: w = 2^23, E = 23, u = 128, acc = 2^24 * 128 * 15, o = acc * 2^(23 - 31) / 2^24.
    expect(exp24(0)).toBe(2 ** 24);
    const { values } = attendHead(Float32Array.of(1, 1), cache.heads[0]!, undefined, context);
    expect([...values]).toEqual([0, 7.5]);
  });

  test("a query that is no number is reported", () => {
    const bad = run({ seed: 1, D: 8, tokens: 5, sinks: 1, window: 8, rotated: true, mean: undefined });
    const context = {
      position: 4,
      sinks: 1,
      window: 8,
      ring: 23,
      block: 8,
      rotation: rotationAt(4, frequenciesOf(8)),
      sinkRotation: rotationAt(4, frequenciesOf(8)),
      distances: distanceTable(9, frequenciesOf(8)),
    };
    const q = bad.q.slice();
    q[3] = Number.NaN;
    expect(attendHead(q, bad.cache.heads[0]!, undefined, context).finite).toBe(false);
  });
});
