import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { InputError } from "../../../../host/errors.ts";
import { openCheckpoint } from "../../../../quant/io/checkpoint.ts";
import { sharedData, sharedDataAbsent } from "../../shared-data.ts";
import { newFolder } from "./small-checkpoint.ts";

// dim 8, hidden 12, layers 2, heads 2 (4 wide), kv heads 1, vocabulary 10, 6 positions.
const HEADER = [8, 12, 2, 2, 1, 10, 6];

/** Floats of the file in llama2.c's order; RoPE tables are -1, the rest counts up from 0. */
function body(untied: boolean): number[] {
  const sizes = [80, 2 * 8, 2 * 64, 2 * 32, 2 * 32, 2 * 64, 2 * 8, 2 * 96, 2 * 96, 2 * 96, 8];
  const count = sizes.reduce((a, b) => a + b, 0);
  const weights = Array.from({ length: count }, (_, i) => i);
  const rope = new Array<number>(6 * 4).fill(-1);
  return [...weights, ...rope, ...(untied ? Array.from({ length: 80 }, (_, i) => count + i) : [])];
}

function write(header: number[], floats: number[], name = "model.bin"): string {
  const path = join(newFolder(), name);
  const ints = Buffer.from(Int32Array.from(header).buffer);
  writeFileSync(path, Buffer.concat([ints, Buffer.from(Float32Array.from(floats).buffer)]));
  return path;
}

async function firstColumn(path: string, name: string): Promise<number[]> {
  const checkpoint = await openCheckpoint(path);
  try {
    const { rows, cols } = checkpoint.tensors.get(name)!;
    const values = await checkpoint.readRows(name, 0, rows);
    return Array.from({ length: rows }, (_, row) => values[row * cols]!);
  } finally {
    await checkpoint.close();
  }
}

const layer = (index: number, name: string) => `model.layers.${index}.${name}.weight`;

describe("a llama2.c file", () => {
  it("takes what the format leaves out from run.c", async () => {
    const checkpoint = await openCheckpoint(write(HEADER, body(false)));
    await checkpoint.close();
    expect(checkpoint.format).toBe("llama2.c");
    expect(checkpoint.tied).toBe(true);
    expect(checkpoint.config).toEqual({
      architecture: "llama",
      attentionBias: "none",
      slidingWindow: null,
      hiddenSize: 8,
      intermediateSize: 12,
      layers: 2,
      heads: 2,
      kvHeads: 1,
      headDim: 4,
      vocabSize: 10,
      maxPositions: 6,
      rmsNormEps: 1e-5,
      ropeTheta: 10000,
      ropeScaling: null,
      tieWordEmbeddings: true,
      bosId: 1,
      eosIds: [2, 1],
    });
  });

  it("finds every tensor", async () => {
    const path = write(HEADER, body(false));
    const start = (n: number, step: number, rows: number) =>
      Array.from({ length: rows }, (_, i) => n + i * step);
    expect(await firstColumn(path, "lm_head.weight")).toEqual(start(0, 8, 10));
    expect(await firstColumn(path, layer(1, "input_layernorm"))).toEqual([88]);
    expect(await firstColumn(path, layer(0, "self_attn.v_proj"))).toEqual(start(96 + 128 + 64, 8, 4));
    expect(await firstColumn(path, layer(1, "self_attn.o_proj"))).toEqual(start(96 + 128 + 128 + 64, 8, 8));
    expect(await firstColumn(path, layer(0, "post_attention_layernorm"))).toEqual([480]);
    expect(await firstColumn(path, layer(0, "mlp.gate_proj"))).toEqual(start(496, 8, 12));
    expect(await firstColumn(path, layer(1, "mlp.down_proj"))).toEqual(start(496 + 192 + 96, 12, 8));
    expect(await firstColumn(path, layer(0, "mlp.up_proj"))).toEqual(start(496 + 384, 8, 12));
    expect(await firstColumn(path, "model.norm.weight")).toEqual([1072]);
  });

  it("turns neighbouring RoPE pairs into halves, in queries and keys only", async () => {
    const path = write(HEADER, body(false));
    const rows = (first: number, order: number[]) => order.map((row) => first + 8 * row);
    // The pairs of a 4-wide head are file rows (0, 1) and (2, 3): their first members come first.
    expect(await firstColumn(path, layer(0, "self_attn.q_proj"))).toEqual(rows(96, [0, 2, 1, 3, 4, 6, 5, 7]));
    expect(await firstColumn(path, layer(1, "self_attn.k_proj"))).toEqual(rows(96 + 128 + 32, [0, 2, 1, 3]));
    const checkpoint = await openCheckpoint(path);
    const some = await checkpoint.readRows(layer(0, "self_attn.q_proj"), 3, 3);
    await checkpoint.close();
    expect([some[0], some[8], some[16]]).toEqual(rows(96, [3, 4, 6]));
    expect([...some.subarray(16, 24)]).toEqual(Array.from({ length: 8 }, (_, i) => 96 + 48 + i));
  });

  it("skips the RoPE tables before a classifier of its own", async () => {
    const path = write([8, 12, 2, 2, 1, -10, 6], body(true));
    expect((await firstColumn(path, "lm_head.weight"))[1]).toBe(1080 + 8);
    expect((await firstColumn(path, "model.embed_tokens.weight"))[1]).toBe(8);
  });

  it.each<[string, number[], number[], RegExp]>([
    ["nothing but a header's beginning", [8, 12], [], /too few/],
    ["missing floats", HEADER, body(false).slice(1), /has \d+ bytes; .* has \d+/],
    ["floats too many", HEADER, [...body(false), 0], /has \d+ bytes; .* has \d+/],
    ["an announced classifier that is absent", [8, 12, 2, 2, 1, -10, 6], body(false), /bytes/],
    ["a versioned export", [0x616b3432, 1, 8, 12, 2, 2, 1], body(false), /versioned/],
    ["no heads", [8, 12, 2, 0, 1, 10, 6], body(false), /heads|headDim/],
    ["negative layers", [8, 12, -2, 2, 1, 10, 6], body(false), /layers/],
    ["a monstrous width", [2 ** 30, 12, 2, 2, 1, 10, 6], body(false), /hiddenSize/],
    ["heads that do not divide", [8, 12, 2, 3, 1, 10, 6], body(false), /headDim/],
  ])("refuses %s", async (_, header, floats, message) => {
    const error = await openCheckpoint(write(header, floats)).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(InputError);
    expect((error as InputError).message).toMatch(message);
  });

  it("refuses NaN where the pairs are reordered, naming the row as it is read", async () => {
    const floats = body(false);
    floats[96 + 8 * 1 + 3] = Number.NaN;
    const checkpoint = await openCheckpoint(write(HEADER, floats));
    await expect(checkpoint.readRows(layer(0, "self_attn.q_proj"), 0, 8)).rejects.toThrow(/NaN at \[2, 3\]/);
    await checkpoint.close();
  });
});

it.skipIf(sharedDataAbsent)("reads stories260K with its tokenizer (../shared/data)", async () => {
  const checkpoint = await openCheckpoint(sharedData("models/stories260K/stories260K.bin"), {
    tokenizer: sharedData("models/stories260K/tok512.bin"),
  });
  await checkpoint.close();
  expect(checkpoint.config).toMatchObject({ hiddenSize: 64, intermediateSize: 172, headDim: 8, kvHeads: 4 });
  expect(checkpoint.tokenizerFiles).not.toBeNull();
});
