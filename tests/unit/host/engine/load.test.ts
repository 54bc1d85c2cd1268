import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { emulatorLibraryPath } from "../../../../host/device/native.ts";
import { loadModel } from "../../../../host/index.ts";
import { quantizeCheckpoint } from "../../../../quant/passes/quantize.ts";

const demo = fileURLToPath(new URL("../../../../models/demo", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "accllm-load-"));
const image = join(folder, "demo.accllm");

beforeAll(async () => {
  await quantizeCheckpoint({ checkpoint: demo, output: image, window: 60 });
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("loadModel", () => {
  it.each([
    ["a missing image", join(folder, "none.accllm"), {}, { code: "FILE_UNREADABLE", exitCode: 3 }],
    ["an unknown device", image, { device: "gpu" }, { code: "DEVICE_UNKNOWN", exitCode: 2 }],
    [
      "an xclbin for the emulator",
      image,
      { xclbin: "a.xclbin" },
      { code: "XCLBIN_FOR_EMULATOR", exitCode: 2 },
    ],
    ["a card without a bitstream", image, { device: "xrt:0" }, { code: "XCLBIN_MISSING", exitCode: 4 }],
    [
      "a bitstream that is not there",
      image,
      { device: "xrt:0", xclbin: join(folder, "b") },
      { code: "XCLBIN_MISSING" },
    ],
  ])("refuses %s", async (_, path, options, error) => {
    await expect(loadModel(path, options)).rejects.toMatchObject(error);
  });

  describe.runIf(existsSync(emulatorLibraryPath()))("on the emulator", () => {
    it("streams a text, again and again the same, and knows its image", async () => {
      await using model = await loadModel(image);
      expect(model.info.model.hiddenSize).toBe(256);
      const texts: string[] = [];
      for (let round = 0; round < 2; round++) {
        let text = "";
        for await (const token of model.generate("Once upon a time", { temperature: 0, maxTokens: 12 }))
          text += token.text;
        texts.push(text);
      }
      expect(texts[0]).toMatch(/^, there was a little/);
      expect(texts[1]).toBe(texts[0]);
    });

    it("refuses a prompt over the window, with both numbers", async () => {
      await using model = await loadModel(image);
      const prompt = Array.from({ length: 65 }, () => 5);
      await expect(model.generate(prompt).next()).rejects.toMatchObject({
        code: "PROMPT_TOO_LONG",
        exitCode: 2,
      });
      await expect(model.generate(prompt).next()).rejects.toThrow(/65 tokens.*64/);
    });

    it("is interrupted while it loads", async () => {
      await expect(loadModel(image, { signal: AbortSignal.abort() })).rejects.toMatchObject({
        code: "INTERRUPTED",
      });
    });
  });
});
