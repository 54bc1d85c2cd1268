import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { keepPatterns } from "../../../../quant/format/weight-layout.ts";
import { isTwoOfFour, pruneRow } from "../../../../quant/passes/prune.ts";

const few = fc.constantFrom(-2, -1, -0, 0, 0.5, 1, 2);

describe("pruneRow", () => {
  it("keeps the two largest of four, the ones ahead where they are equal", () => {
    fc.assert(
      fc.property(fc.array(few, { minLength: 4, maxLength: 4 }), (quad) => {
        const patterns = new Uint8Array(1);
        pruneRow(Float32Array.from(quad), 0, 4, patterns, 0);
        // A stable sort by falling magnitude puts the ones ahead first among equals.
        const order = [0, 1, 2, 3].sort((i, j) => Math.abs(quad[j]!) - Math.abs(quad[i]!));
        expect([...keepPatterns[patterns[0]!]!]).toEqual(order.slice(0, 2).sort());
      }),
      { numRuns: 3000 },
    );
  });

  it("takes the end of a row of 105 for followed by zeros, and touches no other row", () => {
    const patterns = new Uint8Array(60).fill(9);
    pruneRow(new Float32Array(300).fill(-1, 100, 205), 100, 105, patterns, 16);
    expect([...patterns.subarray(16, 43)]).toEqual(new Array(27).fill(0));
    expect(patterns.filter((p) => p === 9).length).toBe(60 - 27);
  });
});

describe("isTwoOfFour", () => {
  it("counts what is not zero in every four", () => {
    expect(isTwoOfFour(Float32Array.of(0, 1, 0, 2, -1, -0, 3, 0, 1, 1), 0, 10)).toBe(true);
    expect(isTwoOfFour(Float32Array.of(0, 1, 0, 2, -1, 4, 3, 0), 0, 8)).toBe(false);
    expect(isTwoOfFour(Float32Array.of(0, 1, 0, 2, 1, 1, 1), 0, 7)).toBe(false);
    expect(isTwoOfFour(Float32Array.of(1, 1, 1, 0, 1, 1, 0), 3, 4)).toBe(true);
  });
});
