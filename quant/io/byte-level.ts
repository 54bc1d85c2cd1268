/**
 * GPT-2's printable stand-ins for bytes, by byte: printable Latin-1 characters stand for themselves, the other bytes
 * in their order for the characters from U+0100 on.
 */
export const characterOfByte: readonly string[] = (() => {
  const printable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
})();

const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };

/** Llama 3's words, whose digits are found by an expression of their own. */
const words = (digits: string) =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;

/** Words by a regular expression, and their bytes. */
const splitBy = (regex: string) => [
  { type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false },
  byteLevel,
];

/** How a text becomes words, before any merge. */
interface Splitting {
  readonly normalizer: { readonly type: string } | null;
  readonly preTokenizers: readonly object[];
  /** Whether a word that is in the vocabulary is one token, whether merges lead to it or not. */
  readonly ignoreMerges: boolean;
}

/** By model family, as its published tokenizer.json has it. */
export const splittings = {
  /** meta-llama/llama3, tokenizer.py. */
  llama3: {
    normalizer: null,
    preTokenizers: splitBy(words("\\p{N}{1,3}")),
    ignoreMerges: true,
  },
  /** Qwen2 and Qwen2.5: as Llama 3's, but every digit is a word. */
  qwen2: {
    normalizer: { type: "NFC" },
    preTokenizers: splitBy(words("\\p{N}")),
    ignoreMerges: false,
  },
  /** SmolLM: GPT-2's words, every digit one by itself. */
  smollm: {
    normalizer: null,
    preTokenizers: [
      { type: "Digits", individual_digits: true },
      { ...byteLevel, use_regex: true },
    ],
    ignoreMerges: false,
  },
} as const satisfies Record<string, Splitting>;

export interface ByteLevelVocabulary {
  /** Pieces in GPT-2's characters, by id. */
  readonly pieces: readonly string[];
  readonly merges: readonly (readonly [string, string])[];
  /** Tokens that are found in a text as they stand; control tokens are no part of what is shown. */
  readonly added: readonly { readonly id: number; readonly content: string; readonly control: boolean }[];
  readonly splitting: Splitting;
  readonly bos: string;
  readonly eos: string;
}

/** Describes a byte-level BPE vocabulary as tokenizer.json and tokenizer_config.json. */
export function byteLevelTokenizer(vocabulary: ByteLevelVocabulary): {
  tokenizerJson: Uint8Array;
  tokenizerConfig: Uint8Array;
} {
  const { pieces, merges, added, splitting, bos, eos } = vocabulary;
  const tokenizer = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: added.map(({ id, content, control }) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: control,
    })),
    normalizer: splitting.normalizer,
    pre_tokenizer: { type: "Sequence", pretokenizers: splitting.preTokenizers },
    post_processor: null,
    decoder: { ...byteLevel, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: splitting.ignoreMerges,
      vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])),
      merges,
    },
  };
  const config = {
    tokenizer_class: "PreTrainedTokenizerFast",
    bos_token: bos,
    eos_token: eos,
    clean_up_tokenization_spaces: false,
  };
  const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  return { tokenizerJson: encode(tokenizer), tokenizerConfig: encode(config) };
}
