import { describe, expect, it } from "vitest";
import { ropeFrequencies } from "../../../../quant/format/rope.ts";

describe("ropeFrequencies", () => {
  it("falls geometrically from 1", () => {
    const frequencies = ropeFrequencies({ headDim: 4, ropeTheta: 10_000, ropeScaling: null });
    expect([...frequencies]).toEqual([1, 0.01]);
  });

  it("divides by the factor of linear scaling", () => {
    const ropeScaling = { type: "linear", factor: 4 } as const;
    expect([...ropeFrequencies({ headDim: 4, ropeTheta: 10_000, ropeScaling })]).toEqual([0.25, 0.0025]);
  });

  it("scales as Llama 3.1 does: short wavelengths kept, long ones divided, a blend between", () => {
    const ropeScaling = {
      type: "llama3",
      factor: 8,
      lowFreqFactor: 1,
      highFreqFactor: 4,
      originalMaxPositions: 8192,
    } as const;
    const scaled = ropeFrequencies({ headDim: 128, ropeTheta: 500_000, ropeScaling });
    const plain = ropeFrequencies({ headDim: 128, ropeTheta: 500_000, ropeScaling: null });
    // Wavelengths of 2048 and 8192 positions lie between pairs 28 and 29, and between pairs 34 and 35.
    expect([...scaled.subarray(0, 29)]).toEqual([...plain.subarray(0, 29)]);
    expect([...scaled.subarray(35)]).toEqual([...plain.subarray(35)].map((frequency) => frequency / 8));
    // Computed apart, in Python, by the formula of transformers' modeling_rope_utils.py.
    expect(scaled[32]! / 0.0005248461609929547).toBeCloseTo(1, 12);
    expect(scaled[30]! / 0.0013718935677611381).toBeCloseTo(1, 12);
  });
});
