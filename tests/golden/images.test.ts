import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { verifyImage } from "../../host/engine/verify.ts";
import { openImage } from "../../quant/format/image.ts";
import { type QuantizeOptions, quantizeCheckpoint } from "../../quant/passes/quantize.ts";
import { demoCheckpoint, sharedData } from "../unit/shared-data.ts";
import { emulatorBuilt, openEmulator } from "./emulator.ts";

const checkpoints: [string, Omit<QuantizeOptions, "output">][] = [
  ["the demo", { checkpoint: demoCheckpoint }],
  [
    "stories260K",
    {
      checkpoint: sharedData("models/stories260K/stories260K.bin"),
      tokenizer: sharedData("models/stories260K/tok512.bin"),
      weights: "w4",
    },
  ],
  ["story-hf", { checkpoint: sharedData("models/story-hf"), weights: "w8" }],
];

describe.skipIf(!emulatorBuilt)("golden engine and reference on images (needs the emulator built)", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "accllm-images-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  for (const [name, options] of checkpoints) {
    it.skipIf(!existsSync(options.checkpoint))(
      `agree in every bit on ${name}, whose checkpoint must be there`,
      async () => {
        const output = join(folder, "model.accllm");
        await quantizeCheckpoint({ ...options, output });
        const image = await openImage(output);
        const device = await openEmulator("u280");
        try {
          expect(await verifyImage(image, { device })).toEqual({ cases: 4, mismatches: 0, failures: [] });
        } finally {
          device.close();
          await image.close();
        }
      },
    );
  }
});
