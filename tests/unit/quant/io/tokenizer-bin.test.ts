import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InputError } from "../../../../host/errors.ts";
import { loadTokenizer } from "../../../../host/text/tokenizer.ts";
import { tokenizerFromBin } from "../../../../quant/io/tokenizer-bin.ts";
import { readTokenizerFiles } from "../../../../quant/io/tokenizer-files.ts";
import { sharedData, sharedDataAbsent } from "../../shared-data.ts";
import { newFolder } from "./small-checkpoint.ts";

interface Piece {
  text: string | Uint8Array;
  score: number;
}

function bin(pieces: readonly Piece[], longest = 10): Buffer {
  const parts: Uint8Array[] = [int32(longest)];
  for (const { text, score } of pieces) {
    const bytes = Buffer.from(text);
    const head = Buffer.alloc(8);
    head.writeFloatLE(score, 0);
    head.writeInt32LE(bytes.length, 4);
    parts.push(head, bytes);
  }
  return Buffer.concat(parts);
}

function int32(n: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(n);
  return bytes;
}

const specials = ["<unk>", "\n<s>\n", "\n</s>\n"].map((text) => ({ text, score: 0 }));
const bytePieces = Array.from({ length: 256 }, (_, byte) => ({
  text: `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
  score: 0,
}));
const scored = (texts: string[]) => texts.map((text, i) => ({ text, score: -i }));

/** llama2.c's encode() as its source reads, without BOS and EOS: the best scoring pair first, leftmost of equals. */
function referenceEncode(pieces: readonly Piece[], text: string): number[] {
  const idOf = new Map(pieces.map(({ text: piece }, id) => [String(piece), id]));
  const ids = text === "" ? [] : [idOf.get(" ")!];
  for (const character of text) {
    const id = idOf.get(character);
    if (id !== undefined) ids.push(id);
    else for (const byte of Buffer.from(character)) ids.push(byte + 3);
  }
  for (;;) {
    let best = { score: Number.NEGATIVE_INFINITY, id: -1, at: -1 };
    for (let at = 0; at + 1 < ids.length; at++) {
      const id = idOf.get(`${pieces[ids[at]!]!.text}${pieces[ids[at + 1]!]!.text}`);
      if (id !== undefined && pieces[id]!.score > best.score) best = { score: pieces[id]!.score, id, at };
    }
    if (best.at < 0) return ids;
    ids.splice(best.at, 2, best.id);
  }
}

function parseBin(bytes: Buffer): Piece[] {
  const pieces: Piece[] = [];
  for (let at = 4; at < bytes.length; ) {
    const length = bytes.readInt32LE(at + 4);
    pieces.push({ score: bytes.readFloatLE(at), text: bytes.toString("utf8", at + 8, at + 8 + length) });
    at += 8 + length;
  }
  return pieces;
}

function tokenizerOf(bytes: Uint8Array) {
  const files = tokenizerFromBin(bytes, "tokenizer.bin");
  return loadTokenizer(files.tokenizerJson, files.tokenizerConfig);
}

describe("tokenizerFromBin", () => {
  it("encodes as llama2.c does, with pieces that can be put together in several ways", () => {
    const pieces = [
      ...specials,
      ...bytePieces,
      ...scored(["ab", "aba", "abab", "aa", "aaa", " a", "é", "b", "a", " "]),
    ];
    const tokenizer = tokenizerOf(bin(pieces));
    expect(tokenizer.bosId).toBe(1);
    expect(tokenizer.eosIds).toEqual([2]);
    expect(tokenizer.vocabSize).toBe(pieces.length);
    const text = fc.string({ unit: fc.constantFrom("a", "b", " ", "é", "€"), maxLength: 24 });
    fc.assert(
      fc.property(text, (sample) => {
        expect(tokenizer.encode(sample)).toEqual(referenceEncode(pieces, sample));
      }),
      { numRuns: 500 },
    );
  });

  it.skipIf(sharedDataAbsent)("encodes as llama2.c does with a trained vocabulary (../shared/data)", () => {
    const bytes = readFileSync(sharedData("models/stories260K/tok512.bin"));
    const pieces = parseBin(bytes);
    const tokenizer = tokenizerOf(bytes);
    const words = readFileSync(sharedData("text/tinystories_train_head.txt"), "utf8")
      .slice(0, 20000)
      .split(/\b/);
    const text = fc.oneof(
      fc.array(fc.constantFrom(...words), { maxLength: 12 }).map((parts) => parts.join("")),
      fc.string({ unit: fc.constantFrom(..."ehant odT\n!."), maxLength: 30 }),
      fc.string({ unit: "grapheme", maxLength: 12 }),
    );
    fc.assert(
      fc.property(text, (sample) => {
        expect(tokenizer.encode(sample)).toEqual(referenceEncode(pieces, sample));
      }),
      { numRuns: 400 },
    );
  });

  it.each<[string, Uint8Array, RegExp]>([
    ["an empty file", new Uint8Array(0), /too few/],
    ["a longest piece of nothing", bin(specials, 0), /pieces of up to 0 bytes/],
    ["a longest piece of gigabytes", bin(specials, 2 ** 30), /1073741824/],
    ["two pieces", bin(specials.slice(1)), /only 2 pieces/],
    ["a header cut short", bin(specials).subarray(0, 8), /header of piece 0/],
    ["a piece cut short", bin(specials).subarray(0, -1), /piece 2 claims 6 bytes of the 5 left/],
    ["an empty piece", bin([...specials, { text: "", score: 0 }]), /piece 3 claims 0 bytes/],
    ["a negative length", Buffer.concat([bin(specials), int32(0), int32(-1)]), /piece 3 claims -1 bytes/],
    ["a score that is no number", bin([...specials, { text: "a", score: Number.NaN }]), /score of piece 3/],
    [
      "a piece that is no UTF-8",
      bin([...specials, { text: Uint8Array.of(0xff), score: 0 }]),
      /piece 3 is not UTF-8/,
    ],
    ["the same piece twice", bin([...specials, ...scored(["a", "a"])]), /pieces 3 and 4 are both "a"/],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => tokenizerFromBin(bytes, "tokenizer.bin")).toThrow(InputError);
    expect(() => tokenizerFromBin(bytes, "tokenizer.bin")).toThrow(message);
  });
});

describe("readTokenizerFiles", () => {
  it("takes a folder, a tokenizer.json of any name, or a .bin file", async () => {
    const folder = newFolder();
    expect(await readTokenizerFiles(folder)).toBeNull();
    expect(await readTokenizerFiles(join(folder, "absent.json"))).toBeNull();
    writeFileSync(join(folder, "tokenizer.json"), "{}");
    writeFileSync(join(folder, "tokenizer_config.json"), "[]");
    writeFileSync(join(folder, "other.json"), "{ }");
    writeFileSync(join(folder, "t.bin"), bin(specials));
    writeFileSync(join(folder, "t.model"), "");
    const text = (bytes: Uint8Array | null | undefined) => Buffer.from(bytes ?? []).toString();
    expect(text((await readTokenizerFiles(folder))?.tokenizerJson)).toBe("{}");
    expect(text((await readTokenizerFiles(folder))?.tokenizerConfig)).toBe("[]");
    expect(text((await readTokenizerFiles(join(folder, "other.json")))?.tokenizerJson)).toBe("{ }");
    expect(text((await readTokenizerFiles(join(folder, "t.bin")))?.tokenizerJson)).toContain(
      '"byte_fallback":true',
    );
    await expect(readTokenizerFiles(join(folder, "t.model"))).rejects.toThrow(InputError);
  });
});
