import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { InputError, InterruptedError, UsageError } from "../../../../host/errors.ts";
import { loadTokenizer } from "../../../../host/text/tokenizer.ts";
import { FloatModel } from "../../../../quant/eval/float-model.ts";
import { type LogitsSource, measurePerplexity, tokenLoss } from "../../../../quant/eval/perplexity.ts";
import { openCheckpoint, requireTokenizer } from "../../../../quant/io/checkpoint.ts";
import { sharedData, sharedDataAbsent } from "../../shared-data.ts";

/** Predicts that the next token is the last one plus one, with probability 1/2; the others share the rest. */
class Counter implements LogitsSource {
  readonly windows: number[][] = [];

  reset(): void {
    this.windows.push([]);
  }

  async *logits(ids: readonly number[]): AsyncGenerator<Float32Array> {
    for (const id of ids) {
      this.windows.at(-1)!.push(id);
      const logits = new Float32Array(5);
      // Probability 1/2 against four of 1/8 each.
      logits[(id + 1) % 5] = Math.log(4);
      yield logits;
    }
  }
}

describe("measurePerplexity", () => {
  it("runs windows of context - 1 tokens behind BOS and predicts every token but BOS", async () => {
    const source = new Counter();
    const result = await measurePerplexity(source, { ids: [1, 2, 3, 3, 4, 0, 0], bosId: 0, context: 4 });
    expect(source.windows).toEqual([[0, 1, 2], [0, 3, 4], [0]]);
    expect(result.tokens).toBe(7);
    // Foreseen: 1, 2, 3, then 4, 0 of the second window.
    const mean = (5 * Math.log(2) + 2 * Math.log(8)) / 7;
    expect(result.nll).toBeCloseTo(mean, 6);
    expect(result.perplexity).toBeCloseTo(Math.exp(mean), 5);
  });

  it("gives several sources the windows as they get free, with the same result to the last bit", async () => {
    const ids = Array.from({ length: 1000 }, (_, i) => (i * i) % 5);
    const options = { ids, bosId: 0, context: 4 };
    const sources = [new Counter(), new Counter(), new Counter()];
    const together = await measurePerplexity(sources, options);
    const alone = await measurePerplexity(new Counter(), options);
    expect(together.nll).toBe(alone.nll);
    expect(together.tokens).toBe(1000);
    expect(sources.map(({ windows }) => windows.length).reduce((a, b) => a + b)).toBe(334);
    expect(sources.every(({ windows }) => windows.length > 50)).toBe(true);
  });

  it("ends where one of several sources fails, when the others have come to rest", async () => {
    const broken = new Counter();
    broken.reset = () => {
      throw new Error("lost");
    };
    const sound = new Counter();
    const options = { ids: new Array(1000).fill(1), bosId: 0, context: 4 };
    await expect(measurePerplexity([sound, broken], options)).rejects.toThrow("lost");
    expect(sound.windows.length).toBeLessThan(3);
  });

  it("stops within a window after maxTokens", async () => {
    const source = new Counter();
    const options = { ids: [1, 2, 3, 3, 4], bosId: 0, context: 4, maxTokens: 4 };
    const result = await measurePerplexity(source, options);
    expect(source.windows).toEqual([[0, 1, 2], [0]]);
    expect(result.tokens).toBe(4);
    expect(result.nll).toBeCloseTo((3 * Math.log(2) + Math.log(8)) / 4, 6);
  });

  it("reports progress after every window", async () => {
    const seen: [number, number][] = [];
    await measurePerplexity(new Counter(), {
      ids: [1, 2, 3],
      bosId: 0,
      context: 3,
      onProgress: ({ tokens, total }) => seen.push([tokens, total]),
    });
    expect(seen).toEqual([
      [2, 3],
      [3, 3],
    ]);
  });

  it("stops when its signal fires", async () => {
    const controller = new AbortController();
    const running = measurePerplexity(new Counter(), {
      ids: new Array<number>(1000).fill(1),
      bosId: 0,
      context: 4,
      onProgress: ({ tokens }) => tokens >= 6 && controller.abort(),
      signal: controller.signal,
    });
    await expect(running).rejects.toThrow(InterruptedError);
  });

  it("refuses an empty text, a context without room and foreign ids", async () => {
    const source = new Counter();
    await expect(measurePerplexity(source, { ids: [], bosId: 0, context: 4 })).rejects.toThrow(UsageError);
    await expect(measurePerplexity(source, { ids: [1], bosId: 0, context: 1 })).rejects.toThrow(UsageError);
    await expect(measurePerplexity(source, { ids: [5], bosId: 0, context: 4 })).rejects.toThrow(InputError);
  });
});

it("tokenLoss stays exact for large logits", () => {
  expect(tokenLoss(Float32Array.of(1000, 1000), 1)).toBeCloseTo(Math.log(2), 10);
  expect(tokenLoss(Float32Array.of(-1000, 0), 0)).toBeCloseTo(1000, 6);
});

describe.skipIf(sharedDataAbsent)("float loss on 1000 tokens of TinyStories (../shared/data)", () => {
  it.each([
    ["models/story-hf", undefined, 3.4625],
    ["models/stories260K/stories260K.bin", "models/stories260K/tok512.bin", 1.604],
  ])("%s", async (path, tokenizerPath, expected) => {
    const options = tokenizerPath === undefined ? {} : { tokenizer: sharedData(tokenizerPath) };
    const checkpoint = await openCheckpoint(sharedData(path), options);
    const { tokenizerJson, tokenizerConfig } = requireTokenizer(checkpoint);
    const ids = loadTokenizer(tokenizerJson, tokenizerConfig).encode(
      readFileSync(sharedData("text/tinystories_train_head.txt"), "utf8"),
    );
    const model = await FloatModel.load(checkpoint);
    await checkpoint.close();
    const { bosId } = checkpoint.config;
    const result = await measurePerplexity(model, { ids, bosId, context: 256, maxTokens: 1000 });
    expect(result.tokens).toBe(1000);
    expect(Math.abs(result.nll - expected)).toBeLessThan(0.001);
  });
});
