import { expect, it } from "vitest";
import { demoArguments, summary } from "../../../../scripts/demo/story.mjs";

it("adds a prompt only where the user gave none", () => {
  expect(demoArguments(["--seed", "1"])).toContain("--prompt");
  for (const args of [["--prompt", "x"], ["--prompt=x"], ["-p", "x"], ["--prompt-file", "f"], ["-"]]) {
    expect(demoArguments(args)).not.toContain("--prompt");
  }
  expect(demoArguments([]).slice(0, 2)).toEqual(["--temperature", "0.7"]);
});

it("labels the modelled figure as a model", () => {
  const done = {
    type: "done" as const,
    completionTokens: 90,
    timings: { decodeTokensPerSecond: 12.345 },
    device: { name: "emulator", engine: "golden", modelledDecodeTokensPerSecond: 1234.5 },
  };
  const image = { path: "/checkout/build/demo.accllm", bytes: 2_500_000, bitsPerWeight: 2.678 };
  const text = summary(done, image, "/checkout").join("\n");
  expect(text).toContain("12.3 tokens/s");
  expect(text).toMatch(/1235 tokens\/s \(timing model, not a measurement\)/);
  expect(text).toContain("2.68 bits");
  expect(text).toContain("build/demo.accllm (2.5 MB)");
  const device = { ...done.device, modelledDecodeTokensPerSecond: null };
  expect(summary({ ...done, device }, image, "/checkout").join("\n")).toContain("not modelled");
});
