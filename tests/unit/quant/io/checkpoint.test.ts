import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { InputError } from "../../../../host/errors.ts";
import {
  type Checkpoint,
  type OpenCheckpointOptions,
  openCheckpoint,
  requireTokenizer,
} from "../../../../quant/io/checkpoint.ts";
import { demoCheckpoint, sharedData, sharedDataAbsent } from "../../shared-data.ts";
import {
  newFolder,
  SMALL_CONFIG,
  safetensors,
  smallTensors,
  tensor,
  value,
  writeCheckpoint,
} from "./small-checkpoint.ts";

const opened: Checkpoint[] = [];
async function openIt(path: string, options?: OpenCheckpointOptions): Promise<Checkpoint> {
  const checkpoint = await openCheckpoint(path, options);
  opened.push(checkpoint);
  return checkpoint;
}
afterEach(async () => {
  for (const checkpoint of opened.splice(0)) await checkpoint.close();
});

async function failure(path: string): Promise<InputError> {
  const error = await openIt(path).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(InputError);
  return error as InputError;
}

const names = Object.keys(smallTensors());
const DOWN = "model.layers.1.mlp.down_proj.weight";
const expected = (name: string, count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => value(names.indexOf(name), from + i));

describe("a Hugging Face folder", () => {
  it.each(["F32", "F16", "BF16"] as const)("reads %s as float32", async (dtype) => {
    const checkpoint = await openIt(writeCheckpoint(smallTensors(dtype)));
    expect([...checkpoint.tensors.keys()].sort()).toEqual([...names].sort());
    expect(checkpoint.tensors.get(DOWN)).toEqual({ name: DOWN, rows: 8, cols: 12, dtype });
    for (const [name, { rows, cols }] of checkpoint.tensors) {
      expect([...(await checkpoint.readRows(name, 0, rows))]).toEqual(expected(name, rows * cols));
    }
  });

  it("reads some rows, into an array that is given", async () => {
    const checkpoint = await openIt(writeCheckpoint(smallTensors("BF16")));
    const out = new Float32Array(30).fill(9);
    expect(await checkpoint.readRows(DOWN, 3, 2, out)).toBe(out);
    expect([...out]).toEqual([...expected(DOWN, 24, 36), 9, 9, 9, 9, 9, 9]);
    expect(await checkpoint.readRows(DOWN, 8, 0)).toHaveLength(0);
  });

  it("gives a norm's gain one row", async () => {
    const checkpoint = await openIt(writeCheckpoint());
    expect(checkpoint.tensors.get("model.norm.weight")).toMatchObject({ rows: 1, cols: 8 });
  });

  it.each([
    ["rows outside", DOWN, 7, 2],
    ["a negative row", DOWN, -1, 1],
    ["an unknown name", "toString", 0, 1],
  ])("throws RangeError for %s", async (_, name, first, count) => {
    const checkpoint = await openIt(writeCheckpoint());
    await expect(checkpoint.readRows(name, first, count)).rejects.toThrow(RangeError);
  });

  it("throws RangeError for an array that is too small", async () => {
    const checkpoint = await openIt(writeCheckpoint());
    await expect(checkpoint.readRows(DOWN, 0, 1, new Float32Array(11))).rejects.toThrow(RangeError);
  });

  it("reads shards by their index", async () => {
    const all = smallTensors("F16");
    const shards = [0, 1].map((part) =>
      Object.fromEntries(Object.entries(all).filter((_, i) => i % 2 === part)),
    );
    const folder = newFolder();
    const weightMap: Record<string, string> = {};
    for (const [part, tensors] of shards.entries()) {
      const file = `model-0000${part + 1}-of-00002.safetensors`;
      writeFileSync(join(folder, file), safetensors(tensors));
      for (const name of Object.keys(tensors)) weightMap[name] = file;
    }
    writeFileSync(join(folder, "config.json"), JSON.stringify(SMALL_CONFIG));
    const index = join(folder, "model.safetensors.index.json");
    writeFileSync(index, JSON.stringify({ metadata: { total_size: 1 }, weight_map: weightMap }));
    const checkpoint = await openIt(folder);
    for (const [name, { rows, cols }] of checkpoint.tensors) {
      expect([...(await checkpoint.readRows(name, 0, rows))]).toEqual(expected(name, rows * cols));
    }

    for (const bad of [
      "../outside.safetensors",
      "/etc/x.safetensors",
      "a/b.safetensors",
      "x.bin",
      ".safetensors",
    ]) {
      writeFileSync(index, JSON.stringify({ weight_map: { ...weightMap, [DOWN]: bad } }));
      expect((await failure(folder)).message).toMatch(/weight_map.*not a plain name/);
    }
    writeFileSync(index, JSON.stringify({ weight_map: { ...weightMap, [DOWN]: "absent.safetensors" } }));
    expect((await failure(folder)).message).toMatch(/absent\.safetensors does not exist/);
    const other = weightMap[DOWN]!.includes("00001-of") ? "00002" : "00001";
    writeFileSync(
      index,
      JSON.stringify({ weight_map: { ...weightMap, [DOWN]: `model-${other}-of-00002.safetensors` } }),
    );
    expect((await failure(folder)).message).toContain(`places tensor "${DOWN}"`);
  });

  it.each(["model.embed_tokens.weight", "lm_head.weight"])(
    "resolves a tied embedding stored as %s",
    async (name) => {
      const tensors = smallTensors();
      const other = name === "lm_head.weight" ? "model.embed_tokens.weight" : "lm_head.weight";
      delete tensors[other];
      const checkpoint = await openIt(writeCheckpoint(tensors, { tie_word_embeddings: true }));
      expect(checkpoint.tied).toBe(true);
      expect(checkpoint.tensors.size).toBe(names.length);
      for (const either of [name, other]) {
        expect([...(await checkpoint.readRows(either, 4, 1))]).toEqual(expected(name, 8, 32));
      }
    },
  );

  it("takes the input embedding where a tied one is stored twice", async () => {
    const checkpoint = await openIt(writeCheckpoint(smallTensors(), { tie_word_embeddings: true }));
    expect([...(await checkpoint.readRows("lm_head.weight", 0, 1))]).toEqual(
      expected("model.embed_tokens.weight", 8),
    );
  });

  it("keeps an untied lm_head", async () => {
    const checkpoint = await openIt(writeCheckpoint());
    expect(checkpoint.tied).toBe(false);
    expect([...(await checkpoint.readRows("lm_head.weight", 0, 1))]).toEqual(expected("lm_head.weight", 8));
  });

  it("hands over the tokenizer's files byte for byte", async () => {
    const folder = writeCheckpoint();
    writeFileSync(join(folder, "tokenizer.json"), '{ "a":1 }\n');
    writeFileSync(join(folder, "chat_template.jinja"), "{{ x }}");
    const { tokenizerFiles } = await openIt(folder);
    expect(Buffer.from(tokenizerFiles!.tokenizerJson).toString()).toBe('{ "a":1 }\n');
    expect(tokenizerFiles!.tokenizerConfig).toBeNull();
    expect(Buffer.from(tokenizerFiles!.chatTemplate!).toString()).toBe("{{ x }}");
  });

  it("opens without a tokenizer, and says so where one is needed", async () => {
    const checkpoint = await openIt(writeCheckpoint());
    expect(checkpoint.tokenizerFiles).toBeNull();
    expect(() => requireTokenizer(checkpoint)).toThrow(InputError);
    expect(() => requireTokenizer(checkpoint)).toThrow(/has no tokenizer/);
    await expect(openIt(checkpoint.path, { tokenizer: join(checkpoint.path, "no.bin") })).rejects.toThrow(
      InputError,
    );
  });

  it("is closed twice without harm", async () => {
    const checkpoint = await openCheckpoint(writeCheckpoint());
    await checkpoint.close();
    await checkpoint.close();
  });
});

describe("refuses", () => {
  it.each(["model.embed_tokens.weight", DOWN, "model.norm.weight", "lm_head.weight"])(
    "a missing %s",
    async (name) => {
      const tensors = smallTensors();
      delete tensors[name];
      const error = await failure(writeCheckpoint(tensors));
      expect(error.code).toBe("TENSOR_MISSING");
      expect(error.message).toContain(`"${name}"`);
      expect(error.message).toMatch(/expected shape \[\d/);
    },
  );

  it("a tied embedding under neither name", async () => {
    const tensors = smallTensors();
    delete tensors["lm_head.weight"];
    delete tensors["model.embed_tokens.weight"];
    expect((await failure(writeCheckpoint(tensors, { tie_word_embeddings: true }))).message).toMatch(
      /neither.*nor/,
    );
  });

  it.each<[number[], string]>([
    [[12, 8], "[12, 8]"],
    [[8, 11], "[8, 11]"],
    [[96], "[96]"],
    [[8, 12, 1], "[8, 12, 1]"],
  ])("a shape of %j instead of [8, 12]", async (shape, text) => {
    const error = await failure(writeCheckpoint({ ...smallTensors(), [DOWN]: tensor("F32", shape, 0) }));
    expect(error.code).toBe("TENSOR_SHAPE");
    expect(error.message).toContain(DOWN);
    expect(error.message).toContain(text);
    expect(error.message).toContain("[8, 12]");
  });

  it("a dtype that weights cannot have", async () => {
    const integers = { dtype: "I32", shape: [8, 12], bytes: new Uint8Array(384) };
    const error = await failure(writeCheckpoint({ ...smallTensors(), [DOWN]: integers }));
    expect(error.message).toMatch(/down_proj.*dtype I32.*F32, F16 or BF16/);
  });

  it("a tensor that the architecture lacks, but not derived buffers", async () => {
    const rotary = { "model.layers.0.self_attn.rotary_emb.inv_freq": tensor("F32", [1], 0) };
    await openIt(writeCheckpoint({ ...smallTensors(), ...rotary }));
    const bias = { "model.layers.0.self_attn.q_proj.bias": tensor("F32", [8], 0) };
    expect((await failure(writeCheckpoint({ ...smallTensors(), ...bias }))).message).toContain("q_proj.bias");
  });

  it.each([
    ["NaN", "F32", Number.NaN, [0, 0, 0xc0, 0x7f]],
    ["infinity", "F16", Number.NEGATIVE_INFINITY, [0, 0xfc]],
    ["NaN", "BF16", Number.NaN, [0xc0, 0x7f]],
  ] as const)("%s in a %s tensor, naming its place", async (_, dtype, shown, bytes) => {
    const tensors = smallTensors(dtype);
    tensors[DOWN]!.bytes.set(bytes, (5 * 12 + 7) * bytes.length);
    const checkpoint = await openIt(writeCheckpoint(tensors));
    expect((await checkpoint.readRows(DOWN, 0, 5)).length).toBe(60);
    const error = await checkpoint.readRows(DOWN, 4, 3).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(InputError);
    expect((error as InputError).message).toContain(`"${DOWN}" is ${shown} at [5, 7]`);
  });

  it("a truncated file", async () => {
    const folder = writeCheckpoint();
    truncateSync(join(folder, "model.safetensors"), 4000);
    expect((await failure(folder)).message).toMatch(/truncated/);
  });

  it("a file that shrinks while it is open", async () => {
    const folder = writeCheckpoint();
    const checkpoint = await openIt(folder);
    truncateSync(join(folder, "model.safetensors"), 4000);
    await expect(checkpoint.readRows("lm_head.weight", 0, 10)).rejects.toThrow(/shorter while it was read/);
  });

  it("missing, huge and damaged files beside the weights", async () => {
    const empty = newFolder();
    expect((await failure(join(empty, "absent"))).message).toMatch(/Cannot open/);
    expect((await failure(empty)).message).toMatch(/no config\.json/);
    writeFileSync(join(empty, "config.json"), JSON.stringify(SMALL_CONFIG));
    expect((await failure(empty)).message).toMatch(/model\.safetensors does not exist/);
    writeFileSync(join(empty, "config.json"), "{");
    expect((await failure(empty)).message).toMatch(/config\.json is not valid JSON/);
    writeFileSync(join(empty, "config.json"), " ".repeat((1 << 20) + 1));
    expect((await failure(empty)).message).toMatch(/1048577 bytes; at most 1048576/);
    mkdirSync(join(empty, "generation_config.json"));
    writeFileSync(join(empty, "config.json"), JSON.stringify(SMALL_CONFIG));
    expect((await failure(empty)).message).toMatch(/not a regular file/);
    const other = join(newFolder(), "model.pth");
    writeFileSync(other, "GGUF");
    expect((await failure(other)).message).toMatch(/not a checkpoint that can be read/);
  });
});

it("reads the demo of the repository", async () => {
  const checkpoint = await openIt(demoCheckpoint);
  expect(checkpoint.config).toMatchObject({
    layers: 4,
    headDim: 64,
    kvHeads: 2,
    ropeScaling: null,
    eosIds: [2],
  });
  const row = await checkpoint.readRows("model.layers.0.self_attn.q_proj.weight", 5, 1);
  for (let i = 0; i < row.length; i += 4) {
    expect([...row.subarray(i, i + 4)].filter((weight) => weight !== 0)).toHaveLength(2);
  }
});

it.skipIf(sharedDataAbsent)(
  "reads story-hf, whose tied embedding is stored as lm_head (../shared/data)",
  async () => {
    const checkpoint = await openIt(sharedData("models/story-hf"));
    expect(checkpoint.tied).toBe(true);
    expect(checkpoint.config.rmsNormEps).toBe(1e-6);
    const row = await checkpoint.readRows("model.embed_tokens.weight", 17, 1);
    expect(row).toEqual(await checkpoint.readRows("lm_head.weight", 17, 1));
  },
);
