import { expect, it } from "vitest";
import { demoArguments, promptOf, summary } from "../../../../scripts/demo/story.mjs";

it("adds a prompt only where the user gave none", () => {
  expect(demoArguments(["--seed", "1"])).toContain("--prompt");
  for (const args of [["--prompt", "x"], ["--prompt=x"], ["-p", "x"], ["--prompt-file", "f"], ["-"]]) {
    expect(demoArguments(args)).toEqual(["--temperature", "0.7"]);
  }
});

it.each([
  [["--seed", "1"], "Once upon a time"],
  [["--prompt", "A cat"], "A cat"],
  [["--temperature", "0", "--prompt=a = b"], "a = b"],
  [["-p", "A dog", "--max-tokens", "3"], "A dog"],
  [["--prompt-file", "f"], ""],
  [["-"], ""],
])("shows the prompt of %j", (args, prompt) => {
  expect(promptOf(args)).toBe(prompt);
});

const done = {
  type: "done" as const,
  completionTokens: 90,
  seed: 7,
  timings: { decodeTokensPerSecond: 12.345 },
  device: { name: "emulator (golden)", engine: "golden", modelledDecodeTokensPerSecond: 1234.5 },
};
const image = { path: "/checkout/build/demo.accllm", bytes: 2_500_000, bitsPerWeight: 2.678 };

it("sums up, with the modelled figure labelled as a model", () => {
  expect(summary(done, image, "/checkout")).toEqual([
    "here       12.3 tokens/s on emulator (golden)",
    "on a U280  1235 tokens/s by the timing model; not measured on a card",
    "text       90 tokens; --seed 7 tells it again",
    "weights    2.68 bits each",
    "image      build/demo.accllm (2.5 MB)",
  ]);
});

it("makes up no rate", () => {
  const device = { ...done.device, modelledDecodeTokensPerSecond: null };
  const lines = summary({ ...done, device, timings: { decodeTokensPerSecond: null } }, image, "/checkout");
  expect(lines.slice(0, 2)).toEqual([
    "here       too short to tell on emulator (golden)",
    "on a U280  not modelled",
  ]);
});
