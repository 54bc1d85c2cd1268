import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { loadTokenizer } from "../../../../host/text/tokenizer.ts";
import { tokenizerFromPieces } from "../../../../quant/io/sentencepiece.ts";
import { sharedData, sharedDataAbsent } from "../../shared-data.ts";

/** Texts and scores of a SentencePiece model, a protocol buffer: field 1 of the file, its fields 1 and 2. */
function readPieces(bytes: Buffer): { texts: string[]; scores: number[] } {
  const texts: string[] = [];
  const scores: number[] = [];
  for (const piece of fields(bytes).filter(({ number }) => number === 1)) {
    const parts = fields(piece.bytes);
    texts.push(parts.find(({ number }) => number === 1)!.bytes.toString());
    scores.push(parts.find(({ number }) => number === 2)!.bytes.readFloatLE());
  }
  return { texts, scores };
}

function fields(bytes: Buffer): { number: number; bytes: Buffer }[] {
  const found: { number: number; bytes: Buffer }[] = [];
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    // Wire types: 0 a number, 2 a length and its bytes, 5 four bytes.
    const kind = tag & 7;
    const length = kind === 2 ? varint() : 4;
    const start = at;
    if (kind === 0) varint();
    else at += length;
    found.push({ number: tag >> 3, bytes: bytes.subarray(start, at) });
  }
  return found;
}

describe.skipIf(sharedDataAbsent)("Llama 2's SentencePiece vocabulary (../shared/data)", () => {
  const read = () => {
    const pieces = readPieces(readFileSync(sharedData("tokenizers/llama2/tokenizer.model")));
    expect(pieces.texts).toHaveLength(32000);
    const files = tokenizerFromPieces({ ...pieces, unknownId: 0, bosId: 1, eosId: 2 }, "tokenizer.model");
    return loadTokenizer(files.tokenizerJson, files.tokenizerConfig);
  };

  it("gives llama.cpp's ids for its 46 hard strings, and the strings back", () => {
    const tokenizer = read();
    const file = (name: string) => readFileSync(sharedData(`vectors/llama-spm.gguf.${name}`), "utf8");
    const texts = file("inp").split("\n__ggml_vocab_test__\n").slice(0, -1);
    const ids = file("out").split("\n").slice(0, -1);
    expect(texts).toHaveLength(46);
    expect(ids).toHaveLength(46);
    for (const [i, text] of texts.entries()) {
      const expected = ids[i]!.trim() === "" ? [] : ids[i]!.trim().split(" ").map(Number);
      expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(expected);
      expect(tokenizer.decode(expected)).toBe(text);
    }
  });
});
