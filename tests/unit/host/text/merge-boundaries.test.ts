import { describe, expect, it } from "vitest";
import { mergeBoundaries } from "../../../../host/text/merge-boundaries.ts";

describe("mergeBoundaries", () => {
  it("cuts where no merge has its seam", () => {
    const cut = mergeBoundaries(["a b", "ab cd"]);
    expect(cut("abcdab")).toEqual(["abc", "d", "ab"]);
    expect(cut("dcba")).toEqual(["d", "c", "b", "a"]);
    expect(cut("")).toEqual([]);
  });

  it("keeps surrogate pairs whole", () => {
    const cut = mergeBoundaries([["😀", "x😀"]]);
    expect(cut("x😀x😀😀")).toEqual(["x", "😀x", "😀", "😀"]);
  });
});
