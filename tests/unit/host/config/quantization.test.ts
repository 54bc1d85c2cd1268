import { describe, expect, it } from "vitest";
import { parseOverrides } from "../../../../host/config/quantization.ts";
import { UsageError } from "../../../../host/errors.ts";

describe("parseOverrides", () => {
  it("reads a tensor and a format", () => {
    expect(parseOverrides(["layers.0.*=w8"])).toEqual([{ tensor: "layers.0.*", format: "w8" }]);
  });

  it.each(["w8", "a=", "=w8", "a=W8"])("refuses %s", (text) => {
    expect(() => parseOverrides([text])).toThrow(UsageError);
  });
});
