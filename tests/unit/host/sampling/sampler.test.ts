import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DeviceError } from "../../../../host/errors.ts";
import { Xoshiro128 } from "../../../../host/sampling/prng.ts";
import { Sampler, type SamplerOptions } from "../../../../host/sampling/sampler.ts";

const OFF = { temperature: 1, topK: 0, topP: 1, minP: 0, repeatPenalty: 1 } as const;

/** Logits of step t over 300 tokens, with many ties. */
function tiedLogits(t: number): Float32Array {
  return Float32Array.from({ length: 300 }, (_, id) => ((id * 37 + t * 11) % 101) / 16);
}

function tokens(options: SamplerOptions, count: number): number[] {
  const sampler = new Sampler(options);
  return Array.from({ length: count }, (_, t) => sampler.sample(tiedLogits(t)).id);
}

/** Probabilities after the filters, written the slow way: penalty, temperature, top-k, top-p, min-p. */
function filtered(logits: Float32Array, options: Record<keyof typeof OFF, number>) {
  const weights = [...logits].map((logit) => Math.exp((logit - Math.max(...logits)) / options.temperature));
  const normalize = (list: { id: number; p: number }[]) => {
    const sum = list.reduce((total, { p }) => total + p, 0);
    return list.map(({ id, p }) => ({ id, p: p / sum }));
  };
  let kept = normalize(weights.map((p, id) => ({ id, p }))).sort((a, b) => b.p - a.p || a.id - b.id);
  if (options.topK > 0) kept = normalize(kept.slice(0, options.topK));
  if (options.topP < 1) {
    let mass = 0;
    const end = kept.findIndex(({ p }) => {
      mass += p;
      return mass >= options.topP;
    });
    kept = normalize(kept.slice(0, end < 0 ? kept.length : end + 1));
  }
  return normalize(kept.filter(({ p }) => p >= options.minP * kept[0]!.p));
}

describe("Sampler", () => {
  // An independent implementation in Python (PRNG, filters and draw) gave these.
  it.each([
    [
      { seed: 7, temperature: 0.8, topK: 40, topP: 0.95 },
      [221, 65, 103, 149, 239, 1, 20, 66, 164, 38, 158, 204, 283, 108, 285, 110],
    ],
    [
      { ...OFF, seed: 7, temperature: 1.3 },
      [128, 209, 144, 231, 34, 230, 39, 156, 145, 245, 80, 201, 70, 57, 198, 192],
    ],
    [
      { ...OFF, seed: 2 ** 53 - 1, topP: 0.9, minP: 0.05, repeatPenalty: 1.3 },
      [251, 117, 141, 37, 45, 293, 110, 145, 71, 278, 10, 163, 225, 7, 274, 31],
    ],
  ])("gives the tokens of the reference implementation for %o", (options, expected) => {
    expect(tokens(options, expected.length)).toEqual(expected);
  });

  it("draws from the filtered distribution, at the place the random number says", () => {
    const options = fc.record({
      temperature: fc.constantFrom(0.3, 0.7, 1, 2),
      topK: fc.constantFrom(0, 2, 5, 40, 1000),
      topP: fc.constantFrom(0.05, 0.5, 0.9, 0.99, 1),
      minP: fc.constantFrom(0, 0.02, 0.3, 1),
      repeatPenalty: fc.constant(1),
    });
    fc.assert(
      fc.property(options, fc.nat(1e6), fc.integer({ min: 1, max: 200 }), (settings, seed, size) => {
        const source = new Xoshiro128(seed);
        const logits = Float32Array.from({ length: size }, () => 12 * (source.nextDouble() - 0.5));
        const { id } = new Sampler({ ...settings, seed }).sample(logits);
        let kept = filtered(logits, settings);
        if (settings.topK === 0 && settings.topP === 1 && settings.minP === 0)
          kept = kept.sort((a, b) => a.id - b.id);
        const place = kept.findIndex((candidate) => candidate.id === id);
        expect(place).toBeGreaterThanOrEqual(0);
        const below = kept.slice(0, place).reduce((sum, { p }) => sum + p, 0);
        const draw = new Xoshiro128(seed).nextDouble();
        expect(draw).toBeGreaterThanOrEqual(below - 1e-9);
        expect(draw).toBeLessThanOrEqual(below + kept[place]!.p + 1e-9);
      }),
      { numRuns: 500 },
    );
  });

  it("is greedy at temperature 0 and with top-k 1, the lowest id among equals", () => {
    const logits = Float32Array.from([1, 5, 5, -2]);
    expect(new Sampler({ temperature: 0, seed: 1 }).sample(logits).id).toBe(1);
    expect(new Sampler({ ...OFF, topK: 1, seed: 1 }).sample(logits).id).toBe(1);
  });

  it("repeats with the same seed and reports the one it chose", () => {
    const sampler = new Sampler(OFF);
    const drawn = Array.from({ length: 20 }, (_, t) => sampler.sample(tiedLogits(t)).id);
    expect(tokens({ ...OFF, seed: sampler.seed }, 20)).toEqual(drawn);
    expect(tokens({ ...OFF, seed: sampler.seed + 1 }, 20)).not.toEqual(drawn);
  });

  it("never draws an excluded token, even without filters", () => {
    const logits = new Float32Array(50).fill(Number.NEGATIVE_INFINITY);
    logits[17] = -80;
    for (let seed = 0; seed < 20; seed++) expect(new Sampler({ ...OFF, seed }).sample(logits).id).toBe(17);
  });

  it("penalizes each of the last 64 tokens once: divides what is positive, multiplies the rest", () => {
    const greedy = () => new Sampler({ temperature: 0, repeatPenalty: 2, seed: 0 });
    const positive = Float32Array.from([4, 2.5, 1]);
    const once = greedy();
    once.accept(0);
    once.accept(0);
    expect(once.sample(positive).id).toBe(1);
    // 4 / 2 = 2 and 2.5 / 2 = 1.25 (penalized once, not squared): token 0 is ahead again.
    expect(once.sample(positive).id).toBe(0);

    const negative = greedy();
    negative.accept(0);
    expect(negative.sample(Float32Array.from([-1, -1.5, -9])).id).toBe(1);

    const forgotten = greedy();
    forgotten.accept(0);
    for (let i = 0; i < 63; i++) forgotten.accept(2);
    expect(forgotten.sample(positive).id).toBe(1);
    const afterWindow = greedy();
    afterWindow.accept(0);
    for (let i = 0; i < 64; i++) afterWindow.accept(2);
    expect(afterWindow.sample(positive).id).toBe(0);
  });

  it("reports log probabilities of the raw logits, whatever the settings", () => {
    const logits = Float32Array.from([Math.log(0.5), Math.log(0.25), Math.log(0.125), Math.log(0.125)]);
    const sampler = new Sampler({ ...OFF, temperature: 0.01, repeatPenalty: 3, seed: 3, logprobs: 3 });
    const { id, logprobs } = sampler.sample(logits);
    expect(id).toBe(0);
    expect(logprobs!.logprob).toBeCloseTo(Math.log(0.5), 6);
    expect(logprobs!.top.map((token) => token.id)).toEqual([0, 1, 2]);
    expect(logprobs!.top[1]!.logprob).toBeCloseTo(Math.log(0.25), 6);
    expect(new Sampler({ ...OFF, logprobs: 0 }).sample(logits).logprobs!.top).toEqual([]);
    expect(new Sampler(OFF).sample(logits)).not.toHaveProperty("logprobs");
  });

  it.each([
    [[0, Number.NaN]],
    [[0, Number.POSITIVE_INFINITY]],
    [[Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]],
  ])("refuses the logits %o", (logits) => {
    expect(() => new Sampler(OFF).sample(Float32Array.from(logits))).toThrow(DeviceError);
  });

  it("leaves the logits as they were", () => {
    const logits = tiedLogits(0);
    new Sampler({ repeatPenalty: 2, seed: 1 }).sample(logits);
    expect(logits).toEqual(tiedLogits(0));
  });
});
