import { readFileSync } from "node:fs";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadTokenizer, type Tokenizer } from "../../../../host/text/tokenizer.ts";
import { tokenizerFromSentencePiece } from "../../../../quant/io/sentencepiece-model.ts";
import { tokenizerFromTiktoken } from "../../../../quant/io/tiktoken.ts";
import { readTokenizerFiles } from "../../../../quant/io/tokenizer-files.ts";
import { sharedData, sharedDataAbsent } from "../../shared-data.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);
const text = (value: string) => new TextEncoder().encode(value);

/** llama.cpp's 47 strings, the last of them empty, with their ids. */
function vectors(name: string): { text: string; ids: number[] }[] {
  const file = (kind: string) => readFileSync(sharedData(`vectors/${name}.gguf.${kind}`), "utf8");
  const ids = file("out").split("\n");
  return file("inp")
    .split("\n__ggml_vocab_test__\n")
    .map((one, i) => ({ text: one, ids: ids[i]!.trim().split(" ").filter(Boolean).map(Number) }));
}

async function read(path: string): Promise<Tokenizer> {
  const files = await readTokenizerFiles(sharedData(path));
  return loadTokenizer(files!.tokenizerJson, files!.tokenizerConfig);
}

describe.skipIf(sharedDataAbsent)("published tokenizers (../shared/data)", () => {
  it.each([
    ["a SentencePiece model in its folder", "tokenizers/llama2", "llama-spm", { bosId: 1, eosIds: [2] }],
    ["the same in a GGUF file", "gguf/ggml-vocab-llama-spm.gguf", "llama-spm", { bosId: 1, eosIds: [2] }],
    ["tiktoken ranks", "tokenizers/llama3/tokenizer.model", "llama-bpe", { bosId: 128000, eosIds: [128001] }],
  ])("%s gives llama.cpp's ids for 47 hard strings, and the strings back", async (_, path, name, special) => {
    const tokenizer = await read(path);
    expect(tokenizer).toMatchObject(special);
    const cases = vectors(name);
    expect(cases).toHaveLength(47);
    for (const { text, ids } of cases) {
      expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(ids);
      expect(tokenizer.decode(ids)).toBe(text);
    }
  });

  describe("gives any text back", () => {
    let tokenizers: Tokenizer[];
    beforeAll(async () => {
      tokenizers = [await read("tokenizers/llama2"), await read("tokenizers/llama3")];
    });

    it("of any Unicode", () => {
      fc.assert(
        fc.property(fc.string({ unit: "grapheme", maxLength: 60 }), (value) => {
          for (const tokenizer of tokenizers) expect(tokenizer.decode(tokenizer.encode(value))).toBe(value);
        }),
        { numRuns: 200 },
      );
    });
  });
});

describe("files that are not what they should be", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "accllm-tokenizer-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it.each([
    ["a length past the end", bytes(0x0a, 0x7f, 1), /claims 127 bytes of the 1 left/],
    ["a number without end", bytes(...Array.from({ length: 12 }, () => 0xff)), /more than ten bytes/],
    ["a file that ends within a number", bytes(0x80), /ends within a number/],
    ["a wire type that there is not", bytes(0x0b), /no wire type 3/],
    ["an empty piece", bytes(0x0a, 2, 0x0a, 0), /piece 0 has 0 bytes/],
    ["a piece that is no text", bytes(0x0a, 3, 0x0a, 1, 0xff), /piece 0 is not UTF-8/],
    ["a score that is no number", bytes(0x0a, 8, 0x0a, 1, 0x61, 0x15, 0, 0, 0xc0, 0x7f), /score of piece 0/],
    ["a unigram model", bytes(0x0a, 3, 0x0a, 1, 0x61), /no BPE model/],
    [
      "special ids past the pieces",
      bytes(0x0a, 3, 0x0a, 1, 0x61, 0x12, 2, 0x18, 2),
      /bosId is 1, but it has 1/,
    ],
  ])("SentencePiece: %s", (_, file, message) => {
    expect(() => tokenizerFromSentencePiece(file, "tokenizer.model")).toThrow(message);
  });

  it.each([
    ["a rank out of order", "IQ== 1\n", /rank 1 where 0/],
    ["a line that is something else", "hello\n", /line 1 is no token/],
    ["a token twice", "IQ== 0\nIQ== 1\n", /line 2 occurs twice/],
    ["missing bytes", "IQ== 0\n", /one of the 256 bytes/],
  ])("tiktoken: %s", (_, file, message) => {
    expect(() => tokenizerFromTiktoken(text(file), "tokenizer.model")).toThrow(message);
  });

  it("GGUF: damage is named, and never a crash", async () => {
    const path = join(folder, "bad.gguf");
    await writeFile(path, text("GGUF and then nothing of use, but long enough to be looked at"));
    await expect(readTokenizerFiles(path)).rejects.toMatchObject({ exitCode: 3 });
  });

  it.skipIf(sharedDataAbsent)("a chat template beside a tokenizer.model is found", async () => {
    await copyFile(sharedData("tokenizers/llama2/tokenizer.model"), join(folder, "tokenizer.model"));
    await writeFile(join(folder, "chat_template.jinja"), "{{ messages }}");
    const files = await readTokenizerFiles(folder);
    expect(new TextDecoder().decode(files!.chatTemplate!)).toBe("{{ messages }}");
    expect(new TextDecoder().decode(files!.tokenizerConfig!)).toContain("<s>");
  });
});
