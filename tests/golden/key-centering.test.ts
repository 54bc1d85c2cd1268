import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { imageTokenizer } from "../../host/engine/load.ts";
import { sessionLogits } from "../../host/engine/logits-source.ts";
import { Session } from "../../host/engine/session.ts";
import { FloatModel } from "../../quant/eval/float-model.ts";
import { measurePerplexity } from "../../quant/eval/perplexity.ts";
import { openImage } from "../../quant/format/image.ts";
import { openCheckpoint } from "../../quant/io/checkpoint.ts";
import { quantizeCheckpoint } from "../../quant/passes/quantize.ts";
import { sharedData, sharedDataAbsent } from "../unit/shared-data.ts";
import { emulatorBuilt, openEmulator } from "./emulator.ts";

const checkpoint = sharedData("models/story-hf");
const context = 256;
const maxTokens = 1000;

describe.skipIf(sharedDataAbsent || !emulatorBuilt)(
  "8-bit weights with int4 keys and values (needs ../shared/data and the emulator built)",
  () => {
    let folder: string;
    let ids: number[];
    let float: number;

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), "accllm-centering-"));
      const output = join(folder, "any.accllm");
      await quantizeCheckpoint({ checkpoint, output, weights: "w8", centerKeys: false });
      const image = await openImage(output);
      const tokenizer = await imageTokenizer(image);
      await image.close();
      const text = readFileSync(sharedData("text/tinystories_train_head.txt"), "utf8");
      ids = tokenizer.encode(text.slice(0, 8 * maxTokens)).slice(0, maxTokens);
      const opened = await openCheckpoint(checkpoint);
      const model = await FloatModel.load(opened);
      await opened.close();
      float = (await measurePerplexity(model, { ids, bosId: 1, context })).perplexity;
    });
    afterAll(() => rmSync(folder, { recursive: true }));

    async function imagePerplexity(centerKeys: boolean): Promise<number> {
      const output = join(folder, "model.accllm");
      await quantizeCheckpoint({ checkpoint, output, weights: "w8", centerKeys });
      const image = await openImage(output);
      const session = await Session.open({ device: await openEmulator("u280"), image, ownsDevice: true });
      try {
        return (await measurePerplexity(sessionLogits(session), { ids, bosId: 1, context })).perplexity;
      } finally {
        await session.close();
        await image.close();
      }
    }

    it("stay within 2 % of float with centred keys, and lose at least twice as much without", async () => {
      const centred = (await imagePerplexity(true)) / float;
      const plain = (await imagePerplexity(false)) / float;
      expect(centred).toBeGreaterThan(0.99);
      expect(centred).toBeLessThan(1.02);
      expect(plain - 1).toBeGreaterThan(2 * (centred - 1));
    });
  },
);
