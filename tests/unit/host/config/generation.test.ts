import { describe, expect, it } from "vitest";
import { parseGeneration } from "../../../../host/config/generation.ts";
import { UsageError } from "../../../../host/errors.ts";

describe("parseGeneration", () => {
  it("fills in defaults, for undefined as for absent", () => {
    const settings = {
      maxTokens: 256,
      temperature: 0.8,
      topK: 40,
      topP: 0.95,
      minP: 0,
      repeatPenalty: 1,
      stop: [],
      ignoreEos: false,
    };
    expect(parseGeneration({})).toEqual(settings);
    expect(parseGeneration({ topK: undefined, seed: undefined })).toEqual(settings);
    expect(parseGeneration({ seed: 0, stop: ["x"] })).toEqual({ ...settings, seed: 0, stop: ["x"] });
  });

  it.each([
    [{ maxTokens: 0 }, /maxTokens cannot be 0: it must be at least 1/],
    [{ temperature: Number.NaN }, /temperature cannot be NaN: it must be of type number/],
    [{ temperature: -0.1 }, /it must be at least 0/],
    [{ topP: 0 }, /it must be more than 0/],
    [{ minP: 2 }, /it must be at most 1/],
    [{ repeatPenalty: 0 }, /it must be at least 0.01/],
    [{ seed: -1 }, /it must be at least 0/],
    [{ seed: 1.5 }, /it must be a whole number/],
    [{ logprobs: 21 }, /it must be at most 20/],
    [{ stop: [""] }, /stop cannot be \[ '' \]: it must have a length of at least 1/],
  ])("refuses %o", (options, message) => {
    expect(() => parseGeneration(options)).toThrow(UsageError);
    expect(() => parseGeneration(options)).toThrow(message);
  });

  it("refuses a setting that it does not know, and names those that it does", () => {
    expect(() => parseGeneration({ topk: 5 } as object)).toThrow(/no setting named topk/);
  });
});
