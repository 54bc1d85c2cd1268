import { readFileSync } from "node:fs";
import { Tokenizer as Library } from "@huggingface/tokenizers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InputError } from "../../../../host/errors.ts";
import { loadTokenizer } from "../../../../host/text/tokenizer.ts";
import { demoCheckpoint, sharedData, sharedDataAbsent } from "../../shared-data.ts";

const utf8 = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

/** A SentencePiece-like tokenizer of a few letters without byte fallback. */
const small = (changes: object = {}, model: object = {}) => ({
  added_tokens: [
    { id: 0, content: "<unk>", special: true },
    { id: 1, content: "<s>", special: true },
    { id: 9, content: "<call>", special: false },
  ],
  normalizer: { type: "Replace", pattern: { String: " " }, content: "▁" },
  pre_tokenizer: null,
  post_processor: null,
  decoder: { type: "Replace", pattern: { String: "▁" }, content: " " },
  model: {
    type: "BPE",
    unk_token: "<unk>",
    fuse_unk: true,
    byte_fallback: false,
    vocab: { "<unk>": 0, "<s>": 1, a: 2, b: 3, "▁": 4, ab: 5, "▁ab": 6 },
    merges: ["a b", "▁ ab"],
    ...model,
  },
  ...changes,
});

describe("loadTokenizer", () => {
  it("encodes without anything added, and with BOS where it is asked for", () => {
    const tokenizer = loadTokenizer(
      utf8(small()),
      utf8({ bos_token: "<s>", eos_token: { content: "<call>" } }),
    );
    expect(tokenizer.encode("ab ab")).toEqual([5, 6]);
    expect(tokenizer.encode("ab ab", { bos: true })).toEqual([1, 5, 6]);
    expect(tokenizer.encode("")).toEqual([]);
    expect(tokenizer.encode("a<s>b<call>")).toEqual([2, 1, 3, 9]);
    expect([tokenizer.bosId, tokenizer.eosIds, tokenizer.vocabSize]).toEqual([1, [9], 10]);
    expect(tokenizer.idOf("▁ab")).toBe(6);
  });

  it("lets the model's own ids take precedence", () => {
    const tokenizer = loadTokenizer(utf8(small()), utf8({ bos_token: "<s>" }), { bosId: 0, eosIds: [1, 9] });
    expect([tokenizer.bosId, tokenizer.eosIds]).toEqual([0, [1, 9]]);
  });

  it("says so when BOS is asked for and there is none", () => {
    const tokenizer = loadTokenizer(utf8(small()));
    expect([tokenizer.bosId, tokenizer.eosIds]).toEqual([null, []]);
    expect(() => tokenizer.encode("a", { bos: true })).toThrow(InputError);
  });

  it("makes one unknown token of a run of unknown characters where the tokenizer says so", () => {
    expect(loadTokenizer(utf8(small())).encode("axyzbx")).toEqual([2, 0, 3, 0]);
    expect(loadTokenizer(utf8(small({}, { fuse_unk: false }))).encode("axyb")).toEqual([2, 0, 0, 3]);
  });

  it("throws InputError where the unknown token is itself unknown", () => {
    const tokenizer = loadTokenizer(utf8(small({}, { unk_token: "<none>" })));
    expect(tokenizer.encode("ab")).toEqual([5]);
    expect(() => tokenizer.encode("axb")).toThrow(InputError);
  });

  it("reads merges written as pairs", () => {
    const pairs = small(
      {},
      {
        merges: [
          ["a", "b"],
          ["▁", "ab"],
        ],
      },
    );
    expect(loadTokenizer(utf8(pairs)).encode("ab ab")).toEqual([5, 6]);
  });

  it("decodes without the special tokens, and skips ids that no token has", () => {
    const tokenizer = loadTokenizer(utf8(small()));
    expect(tokenizer.decode([1, 5, 6, 8, 9, 12345, 0])).toBe("ab ab<call>");
  });

  it.each<[string, Uint8Array, RegExp]>([
    ["no JSON", new TextEncoder().encode("{"), /not valid JSON/],
    ["no UTF-8", Uint8Array.of(0xff), /not valid JSON/],
    ["no object", utf8([]), /tokenizer\.json/],
    ["no model", utf8(small({ model: undefined })), /"model"/],
    ["another kind of model", utf8(small({}, { type: "Unigram" })), /model\.type/],
    ["ids that are no integers", utf8(small({}, { vocab: { a: 0.5 } })), /model\.vocab\.a/],
    ["a monstrous id", utf8(small({}, { vocab: { a: 4e9 } })), /model\.vocab\.a/],
    ["merges of three", utf8(small({}, { merges: [["a", "b", "c"]] })), /merges/],
    ["merges in two forms", utf8(small({}, { merges: ["a b", ["▁", "ab"]] })), /merges/],
    ["an unknown decoder", utf8(small({ decoder: { type: "WordPiece" } })), /"WordPiece"/],
    [
      "a decoder that cuts the end",
      utf8(small({ decoder: { type: "Strip", content: " ", start: 0, stop: 1 } })),
      /Strip/,
    ],
    ["an unknown normalizer", utf8(small({ normalizer: { type: "Rot13" } })), /Rot13/],
  ])("refuses %s", (_, json, message) => {
    expect(() => loadTokenizer(json)).toThrow(InputError);
    expect(() => loadTokenizer(json)).toThrow(message);
  });

  it("refuses a damaged tokenizer_config.json", () => {
    expect(() => loadTokenizer(utf8(small()), utf8({ bos_token: 7 }))).toThrow(
      /tokenizer_config\.json.*bos_token/,
    );
  });
});

const samples = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 30 }),
  fc.string({ unit: fc.constantFrom(..."aeto dn.,\n'\"hT"), maxLength: 60 }),
);

describe.each([
  ["the demo", demoCheckpoint, false],
  ["story-hf (../shared/data)", sharedData("models/story-hf"), sharedDataAbsent],
])("%s", (_, folder, absent) => {
  const load = () => {
    const [json, config] = ["tokenizer.json", "tokenizer_config.json"].map((name) =>
      readFileSync(`${folder}/${name}`),
    );
    const library = new Library(JSON.parse(json!.toString()), JSON.parse(config!.toString()));
    return { tokenizer: loadTokenizer(json!, config!), library };
  };

  it.skipIf(absent)("gives the library's ids and texts", () => {
    const { tokenizer, library } = load();
    const unknown = library.token_to_id("<unk>");
    fc.assert(
      fc.property(samples, (text) => {
        const plain: number[] = library.encode(text, { add_special_tokens: false }).ids;
        const ids = tokenizer.encode(text);
        expect(ids).toEqual(plain.filter((id, i) => id !== unknown || plain[i - 1] !== unknown));
        if (ids.length === 0) return;
        const decoded = library.decode(ids, {
          skip_special_tokens: true,
          clean_up_tokenization_spaces: false,
        });
        expect(tokenizer.decode(ids)).toBe(decoded);
      }),
      { numRuns: 300 },
    );
  });

  it.skipIf(absent)("knows its BOS and EOS", () => {
    const { tokenizer } = load();
    expect([tokenizer.bosId, tokenizer.eosIds]).toEqual([1, [2]]);
  });
});
