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

/** Llama 3's split of a text into words, before any merge (meta-llama/llama3, tokenizer.py). */
export const LLAMA3_SPLIT =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

export interface ByteLevelVocabulary {
  /** Pieces in GPT-2's characters, by id. */
  readonly pieces: readonly string[];
  readonly merges: readonly (readonly [string, string])[];
  /** Special tokens with their ids. */
  readonly special: readonly { readonly id: number; readonly content: string }[];
  readonly bos: string;
  readonly eos: string;
}

/** Describes a byte-level BPE vocabulary with Llama 3's split as tokenizer.json and tokenizer_config.json. */
export function byteLevelTokenizer({ pieces, merges, special, bos, eos }: ByteLevelVocabulary): {
  tokenizerJson: Uint8Array;
  tokenizerConfig: Uint8Array;
} {
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
  const tokenizer = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: special.map(({ id, content }) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: LLAMA3_SPLIT }, behavior: "Isolated", invert: false },
        byteLevel,
      ],
    },
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
      // A word that is in the vocabulary is one token, whether merges lead to it or not.
      ignore_merges: true,
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
