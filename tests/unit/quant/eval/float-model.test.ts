import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { InputError, InterruptedError } from "../../../../host/errors.ts";
import { loadTokenizer } from "../../../../host/text/tokenizer.ts";
import { FloatModel } from "../../../../quant/eval/float-model.ts";
import { argmax, generateGreedily } from "../../../../quant/eval/greedy.ts";
import { openCheckpoint } from "../../../../quant/io/checkpoint.ts";
import { demoCheckpoint, sharedData, sharedDataAbsent } from "../../shared-data.ts";

async function load(path: string, tokenizer?: string) {
  const checkpoint = await openCheckpoint(path, tokenizer === undefined ? {} : { tokenizer });
  const model = await FloatModel.load(checkpoint);
  await checkpoint.close();
  return { model, checkpoint };
}

const STORIES = sharedData("models/stories260K/stories260K.bin");

describe("FloatModel", () => {
  it("gives the same logits for tokens together and one by one", async () => {
    const { model } = await load(demoCheckpoint);
    const ids = [1, 430, 440, 261, 390, 35];
    const together: Float32Array[] = [];
    for await (const logits of model.logits(ids)) together.push(logits);
    model.reset();
    for (const [i, id] of ids.entries()) expect(model.forward([id])).toEqual(together[i]);
    model.reset();
    expect(model.forward(ids)).toEqual(together.at(-1));
  });

  it("refuses ids outside the vocabulary", async () => {
    const { model } = await load(demoCheckpoint);
    expect(() => model.forward([1024])).toThrow(InputError);
    expect(() => model.forward([-1])).toThrow(InputError);
    expect(() => model.forward([Number.NaN])).toThrow(InputError);
  });

  it("stops loading when its signal fires", async () => {
    const checkpoint = await openCheckpoint(demoCheckpoint);
    await expect(FloatModel.load(checkpoint, { signal: AbortSignal.abort() })).rejects.toThrow(
      InterruptedError,
    );
    await checkpoint.close();
  });

  describe.skipIf(sharedDataAbsent)("against an independent float32 reference (../shared/data)", () => {
    it.each([
      ["stories260K/stories260K.bin", STORIES],
      ["story-hf", sharedData("models/story-hf")],
    ])("gives the greedy ids of %s", async (name, path) => {
      const vectors = JSON.parse(readFileSync(sharedData("vectors/greedy50.json"), "utf8"));
      const { prompt_ids, greedy_ids } = vectors[name];
      const { model } = await load(path);
      expect(generateGreedily(model, prompt_ids, 50)).toEqual(greedy_ids);
    });

    it("prints what llama2.c prints for 200 tokens of stories260K, byte for byte", async () => {
      const { model, checkpoint } = await load(STORIES, sharedData("models/stories260K/tok512.bin"));
      const files = checkpoint.tokenizerFiles!;
      const tokenizer = loadTokenizer(files.tokenizerJson, files.tokenizerConfig);
      const text = tokenizer.decode(generateGreedily(model, [tokenizer.bosId!], 200));
      const expected = readFileSync(sharedData("models/stories260K/expected-greedy-200.txt"));
      expect(Buffer.from(text)).toEqual(expected);
    });
  });
});

describe("generateGreedily", () => {
  it("stops before a stop id and begins anew each time", async () => {
    const { model } = await load(demoCheckpoint);
    const ids = generateGreedily(model, [1], 8);
    expect(ids).toHaveLength(8);
    expect(generateGreedily(model, [1], 8, [ids[5]!])).toEqual(ids.slice(0, ids.indexOf(ids[5]!)));
  });

  it("takes the first of equal logits", () => {
    expect(argmax(Float32Array.of(-3, 2, 1, 2))).toBe(1);
  });
});
