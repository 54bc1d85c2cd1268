import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Detokenizer } from "../../../../host/text/detokenizer.ts";
import { loadTokenizer, type Tokenizer } from "../../../../host/text/tokenizer.ts";
import { readTokenizerFiles } from "../../../../quant/io/tokenizer-files.ts";
import { demoCheckpoint, sharedData, sharedDataAbsent } from "../../shared-data.ts";

async function load(path: string): Promise<Tokenizer> {
  const files = await readTokenizerFiles(path);
  return loadTokenizer(files!.tokenizerJson, files!.tokenizerConfig);
}

/** One token per byte. */
const bytes = { leadingSpaces: 0, tokenBytes: (id: number) => Uint8Array.of(id) };
const spelled = {
  leadingSpaces: 1,
  tokenBytes: (id: number) => new TextEncoder().encode([" a", " ", "", "b"][id]),
};

function pieces(detokenizer: Detokenizer, ids: Iterable<number>): string[] {
  return [...Array.from(ids, (id) => detokenizer.push(id)), detokenizer.flush()];
}

/** Whether no half of a surrogate pair stands alone: those do not survive UTF-8. */
const isWellFormed = (text: string) => Buffer.from(text).toString() === text;

describe("Detokenizer", () => {
  it("emits a character when its last byte has come", () => {
    expect(pieces(new Detokenizer(bytes), Buffer.from("é🦙"))).toEqual(["", "é", "", "", "", "🦙", ""]);
  });

  it("keeps a byte order mark", () => {
    expect(pieces(new Detokenizer(bytes), Buffer.from("\ufeffa")).join("")).toBe("\ufeffa");
  });

  it("replaces what is no UTF-8, at the end only on flush", () => {
    expect(pieces(new Detokenizer(bytes), [0xf0, 0x9f, 0x61, 0xff, 0xc3])).toEqual([
      "",
      "",
      "�a",
      "�",
      "",
      "�",
    ]);
  });

  it("never divides a character: no piece ends within a surrogate pair", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const parts = pieces(new Detokenizer(bytes), Buffer.from(text));
        expect(parts.join("")).toBe(text);
        for (const part of parts) expect(isWellFormed(part)).toBe(true);
      }),
    );
  });

  it("gives the text of all bytes for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), (all) => {
        expect(pieces(new Detokenizer(bytes), all).join("")).toBe(
          new TextDecoder("utf-8", { ignoreBOM: true }).decode(all),
        );
      }),
      { numRuns: 2000 },
    );
  });

  it("takes the leading space from the beginning of a text only", () => {
    expect(pieces(new Detokenizer(spelled), [0, 0, 1])).toEqual(["a", " a", " ", ""]);
    expect(pieces(new Detokenizer(spelled), [1, 0])).toEqual(["", " a", ""]);
    expect(pieces(new Detokenizer(spelled), [2, 2, 0])).toEqual(["", "", "a", ""]);
    expect(pieces(new Detokenizer(spelled), [3, 0])).toEqual(["b", " a", ""]);
  });

  it("continues a prompt", () => {
    expect(pieces(new Detokenizer(spelled, [3]), [0])).toEqual([" a", ""]);
    expect(pieces(new Detokenizer(spelled, [2]), [0])).toEqual(["a", ""]);
    expect(pieces(new Detokenizer(bytes, [0xc3]), [0xa9])).toEqual(["é", ""]);
  });

  it("begins anew after flush", () => {
    const detokenizer = new Detokenizer(spelled);
    expect(pieces(detokenizer, [0])).toEqual(["a", ""]);
    expect(pieces(detokenizer, [0])).toEqual(["a", ""]);
  });
});

const strings = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 20 }),
  fc.string({ unit: fc.constantFrom("a", " ", "Once", " upon", "👩‍👩‍👧", "é", "\n", "▁"), maxLength: 20 }),
);

describe.each([
  ["the demo", demoCheckpoint, false, (text: string) => text],
  // SentencePiece's mark of a space is read as one, so that it does not survive.
  [
    "stories260K (../shared/data)",
    sharedData("models/stories260K/tok512.bin"),
    sharedDataAbsent,
    (text: string) => text.replaceAll("▁", " "),
  ],
])("with the tokenizer of %s", (_, path, absent, survives) => {
  it.skipIf(absent)("streams any string back, whole characters at a time", async () => {
    const tokenizer = await load(path);
    fc.assert(
      fc.property(strings, (text) => {
        const parts = pieces(new Detokenizer(tokenizer), tokenizer.encode(text));
        expect(parts.join("")).toBe(survives(text));
        for (const part of parts) expect(isWellFormed(part)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it.skipIf(absent)("streams what decode gives for any ids", async () => {
    const tokenizer = await load(path);
    fc.assert(
      fc.property(fc.array(fc.nat(tokenizer.vocabSize - 1), { maxLength: 20 }), (ids) => {
        expect(pieces(new Detokenizer(tokenizer), ids).join("")).toBe(tokenizer.decode(ids));
      }),
      { numRuns: 300 },
    );
  });

  it.skipIf(absent)("spreads an emoji over several tokens", async () => {
    const tokenizer = await load(path);
    const parts = pieces(new Detokenizer(tokenizer, tokenizer.encode("a")), tokenizer.encode("😀"));
    expect(parts.length).toBeGreaterThan(4);
    expect(parts.filter((part) => part.includes("😀"))).toHaveLength(1);
  });
});

it.skipIf(sharedDataAbsent)("streams story-hf's strings as it decodes them (../shared/data)", async () => {
  const tokenizer = await load(sharedData("models/story-hf"));
  expect(tokenizer.decode(tokenizer.encode(" Once upon"))).toBe(" Once upon");
  fc.assert(
    fc.property(strings, (text) => {
      const ids = tokenizer.encode(text);
      expect(pieces(new Detokenizer(tokenizer), ids).join("")).toBe(tokenizer.decode(ids));
    }),
    { numRuns: 300 },
  );
});
