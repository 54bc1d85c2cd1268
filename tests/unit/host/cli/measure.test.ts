import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { perplexityOf } from "../../../../host/cli/measure.ts";
import type { PerplexityRequest } from "../../../../host/cli/services.ts";
import { emulatorLibraryPath } from "../../../../host/device/native.ts";
import { quantizeCheckpoint } from "../../../../quant/passes/quantize.ts";

const demo = fileURLToPath(new URL("../../../../models/demo", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "accllm-measure-"));
const image = join(folder, "demo.accllm");
const text = join(folder, "text.txt");
const story = "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. ";

beforeAll(async () => {
  writeFileSync(text, story);
  await quantizeCheckpoint({ checkpoint: demo, output: image });
});
afterAll(() => rmSync(folder, { recursive: true }));

function perplexity(request: Partial<PerplexityRequest>, signal = new AbortController().signal) {
  const seen: [number, number][] = [];
  const report = perplexityOf(
    { path: demo, text, context: 16, maxTokens: 1000, device: "emulator", engine: "golden", ...request },
    { signal, progress: (done, total) => seen.push([done, total]) },
  );
  return { report, seen };
}

describe("perplexityOf", () => {
  it("measures a checkpoint in float32, window by window", async () => {
    const { report, seen } = perplexity({ maxTokens: 20 });
    const { tokens, nll, perplexity: value } = await report;
    expect(tokens).toBe(20);
    expect(value).toBeCloseTo(Math.exp(nll), 10);
    // A text like those it was trained on: far below the 1024 of a guess.
    expect(value).toBeLessThan(30);
    // Windows of 15 tokens behind the first one.
    expect(seen).toEqual([
      [15, 20],
      [20, 20],
    ]);
  });

  it.runIf(existsSync(emulatorLibraryPath()))(
    "is the same on several devices, to the last bit (needs build/native)",
    async () => {
      const [one, two] = await Promise.all(
        ["emulator", "emulator:2"].map(
          (device) => perplexity({ path: image, device, engine: "fast" }).report,
        ),
      );
      expect(two!.nll).toBe(one!.nll);
      expect(two!.tokens).toBe(one!.tokens);
    },
  );

  it.each([
    ["a missing model", { path: join(folder, "none") }, { code: "ENOENT" }],
    ["a missing text", { text: join(folder, "none") }, { code: "ENOENT" }],
    [
      "a tokenizer for an image",
      { path: image, tokenizer: "t.json" },
      { code: "TOKENIZER_IN_IMAGE", exitCode: 2 },
    ],
    ["an unknown device", { path: image, device: "gpu" }, { code: "DEVICE_UNKNOWN", exitCode: 2 }],
  ])("refuses %s", async (_, request, error) => {
    await expect(perplexity(request).report).rejects.toMatchObject(error);
  });

  it("refuses a text that is not UTF-8, and one without tokens", async () => {
    const bytes = join(folder, "bytes.txt");
    writeFileSync(bytes, Uint8Array.of(0xff, 0xfe, 0x00));
    await expect(perplexity({ text: bytes }).report).rejects.toMatchObject({
      code: "TEXT_NOT_UTF8",
      exitCode: 3,
    });
    const empty = join(folder, "empty.txt");
    writeFileSync(empty, "");
    await expect(perplexity({ text: empty }).report).rejects.toMatchObject({
      code: "TEXT_EMPTY",
      exitCode: 2,
    });
  });

  it("refuses a checkpoint without a tokenizer", async () => {
    const bare = join(folder, "bare");
    cpSync(demo, bare, {
      recursive: true,
      filter: (path) => !path.includes("tokenizer") && !path.includes("training"),
    });
    await expect(perplexity({ path: bare }).report).rejects.toMatchObject({
      code: "TOKENIZER_MISSING",
      exitCode: 3,
    });
  });

  it("ends when interrupted", async () => {
    await expect(perplexity({}, AbortSignal.abort()).report).rejects.toMatchObject({
      name: expect.stringMatching(/^(AbortError|InterruptedError)$/),
    });
  });
});
