import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type AttentionMode, FloatAttention } from "../../../../quant/eval/float-attention.ts";
import { FloatModel } from "../../../../quant/eval/float-model.ts";
import { openCheckpoint } from "../../../../quant/io/checkpoint.ts";
import type { ModelConfig } from "../../../../quant/io/config.ts";
import { demoCheckpoint, sharedData, sharedDataAbsent } from "../../shared-data.ts";

const config = (heads: number, kvHeads: number, headDim: number): ModelConfig => ({
  architecture: "llama",
  hiddenSize: heads * headDim,
  intermediateSize: 4,
  layers: 1,
  heads,
  kvHeads,
  headDim,
  attentionBias: "none",
  vocabSize: 4,
  slidingWindow: null,
  maxPositions: 64,
  rmsNormEps: 1e-5,
  ropeTheta: 10_000,
  ropeScaling: null,
  tieWordEmbeddings: false,
  bosId: 1,
  eosIds: [2],
});

/** Numbers in -1..1 from a linear congruential generator. */
function numbers(seed: number): (count: number) => Float32Array {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  return (count) => Float32Array.from({ length: count }, next);
}

function run(model: ModelConfig, mode: AttentionMode, tokens: number, seed = 1): Float32Array[] {
  const attention = new FloatAttention(model, mode);
  const draw = numbers(seed);
  const kvWidth = model.kvHeads * model.headDim;
  return Array.from({ length: tokens }, () =>
    attention.attend(draw(model.heads * model.headDim), draw(kvWidth), draw(kvWidth)),
  );
}

function largestDifference(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  return Math.max(...a.flatMap((row, i) => [...row].map((x, j) => Math.abs(x - b[i]![j]!))));
}

/** Softmax attention over all earlier tokens, written out with complex rotations in double. */
function plainAttention(model: ModelConfig, tokens: number, seed = 1): Float32Array[] {
  const draw = numbers(seed);
  const { heads, kvHeads, headDim } = model;
  const half = headDim / 2;
  const seen: { key: Float32Array; value: Float32Array }[] = [];
  return Array.from({ length: tokens }, (_, t) => {
    const query = draw(heads * headDim);
    seen.push({ key: draw(kvHeads * headDim), value: draw(kvHeads * headDim) });
    const out = new Float32Array(heads * headDim);
    for (let head = 0; head < heads; head++) {
      const kv = Math.floor((head * kvHeads) / heads);
      const weights = seen.map(({ key }, j) => {
        let score = 0;
        for (let i = 0; i < half; i++) {
          // Re(q * conj(k) * e^(i angle)): RoPE's score depends on the distance alone.
          const angle = (t - j) * 10_000 ** (-i / half);
          const [a, b] = [query[head * headDim + i]!, query[head * headDim + half + i]!];
          const [c, d] = [key[kv * headDim + i]!, key[kv * headDim + half + i]!];
          score += (a * c + b * d) * Math.cos(angle) - (b * c - a * d) * Math.sin(angle);
        }
        return Math.exp(score / Math.sqrt(headDim));
      });
      const sum = weights.reduce((x, y) => x + y);
      for (let d = 0; d < headDim; d++) {
        out[head * headDim + d] =
          seen.reduce((x, { value }, j) => x + weights[j]! * value[kv * headDim + d]!, 0) / sum;
      }
    }
    return out;
  });
}

describe("FloatAttention", () => {
  it.each([
    [4, 4, 8],
    [4, 2, 8],
    [6, 1, 2],
  ])("full attention with %i heads on %i key/value heads of %i", (heads, kvHeads, headDim) => {
    const model = config(heads, kvHeads, headDim);
    const difference = largestDifference(run(model, { kind: "full" }, 100), plainAttention(model, 100));
    expect(difference).toBeLessThan(1e-5);
  });

  it("rotating the query twice equals StreamingLLM's cache positions, far past the window", () => {
    const shapes = fc.record({
      sinks: fc.integer({ min: 0, max: 5 }),
      window: fc.integer({ min: 1, max: 20 }),
      seed: fc.nat(1e6),
      kvHeads: fc.constantFrom(1, 2, 4),
    });
    fc.assert(
      fc.property(shapes, ({ sinks, window, seed, kvHeads }) => {
        const model = config(4, kvHeads, 8);
        const lambda = run(model, { kind: "lambda", sinks, window }, 120, seed);
        const streaming = run(model, { kind: "cache-index", sinks, window }, 120, seed);
        expect(largestDifference(lambda, streaming)).toBeLessThan(1e-5);
      }),
      { numRuns: 30 },
    );
  });

  it("both are full attention up to sinks + window tokens, and no longer", () => {
    const model = config(4, 2, 8);
    const full = run(model, { kind: "full" }, 13);
    for (const kind of ["lambda", "cache-index"] as const) {
      const lambda = run(model, { kind, sinks: 2, window: 10 }, 13);
      expect(largestDifference(full.slice(0, 12), lambda.slice(0, 12))).toBeLessThan(1e-5);
      expect(largestDifference(full.slice(12), lambda.slice(12))).toBeGreaterThan(1e-3);
    }
  });

  it("sees the sinks and a window that counts the current token, nothing else", () => {
    const model = config(1, 1, 2);
    const attention = new FloatAttention(model, { kind: "lambda", sinks: 1, window: 2 });
    const zero = new Float32Array(2);
    // Equal scores: the result is the mean of the visible tokens' values, here the powers of two.
    const sums = [1, 2, 4, 8, 16].map((power) => {
      const out = attention.attend(zero, zero, Float32Array.of(power, 0));
      return out[0]!;
    });
    expect(sums).toEqual([1, 1.5, 7 / 3, 13 / 3, 25 / 3].map(Math.fround));
  });
});

describe.each([
  ["the demo", demoCheckpoint, false],
  ["stories260K (../shared/data)", sharedData("models/stories260K/stories260K.bin"), sharedDataAbsent],
])("a whole model: %s", (_, path, absent) => {
  it.skipIf(absent)("has the same logits both ways past the window", async () => {
    const checkpoint = await openCheckpoint(path);
    const shape = { sinks: 4, window: 12 };
    const lambda = await FloatModel.load(checkpoint, { attention: { kind: "lambda", ...shape } });
    const streaming = await FloatModel.load(checkpoint, { attention: { kind: "cache-index", ...shape } });
    await checkpoint.close();
    const ids = Array.from({ length: 60 }, (_, i) => (i === 0 ? 1 : 300 + ((i * 37) % 200)));
    const [a, b] = [lambda.forward(ids), streaming.forward(ids)];
    const scale = Math.max(...a.map(Math.abs));
    expect(scale).toBeGreaterThan(1);
    expect(largestDifference([a], [b]) / scale).toBeLessThan(1e-5);
  });
});
