import { InputError } from "../../host/errors.ts";
import type { TokenizerFiles } from "./tokenizer-files.ts";

/** A SentencePiece BPE vocabulary: piece texts (with "▁" for a space) and scores, by id. */
export interface SentencePieces {
  readonly texts: readonly string[];
  /** The adjacent pair whose union scores highest is merged first. */
  readonly scores: readonly number[];
  readonly unknownId: number;
  readonly bosId: number;
  readonly eosId: number;
}

/** SentencePiece's mark for a space. */
const SPACE = "▁";

/**
 * Describes a SentencePiece BPE vocabulary as a tokenizer.json. SentencePiece stores no merges: it joins any
 * adjacent pair whose union is a piece, best score first, leftmost among equals. So every split of a piece into two
 * pieces becomes a merge, ordered by the score of the union (then by id).
 */
export function tokenizerFromPieces(pieces: SentencePieces, label: string): TokenizerFiles {
  const vocabulary = new Map<string, number>();
  for (const [id, text] of pieces.texts.entries()) {
    if (vocabulary.has(text)) {
      throw new InputError(
        "TOKENIZER_INVALID",
        `${label}: pieces ${vocabulary.get(text)} and ${id} are both "${text}".`,
      );
    }
    vocabulary.set(text, id);
  }
  const special = [pieces.unknownId, pieces.bosId, pieces.eosId];
  const tokenizer = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: special.map((id) => ({
      id,
      content: pieces.texts[id],
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "Prepend", prepend: SPACE },
        { type: "Replace", pattern: { String: " " }, content: SPACE },
      ],
    },
    pre_tokenizer: null,
    post_processor: null,
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: SPACE }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        { type: "Strip", content: " ", start: 1, stop: 0 },
      ],
    },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: pieces.texts[pieces.unknownId],
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      // Entries, not assignments: a piece may be called "__proto__".
      vocab: Object.fromEntries(vocabulary),
      merges: mergesOf(pieces, vocabulary, new Set(special)),
    },
  };
  const config = {
    tokenizer_class: "LlamaTokenizer",
    bos_token: pieces.texts[pieces.bosId],
    eos_token: pieces.texts[pieces.eosId],
    unk_token: pieces.texts[pieces.unknownId],
    add_bos_token: true,
    add_eos_token: false,
    clean_up_tokenization_spaces: false,
  };
  const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  return { tokenizerJson: encode(tokenizer), tokenizerConfig: encode(config), chatTemplate: null };
}

function mergesOf(
  pieces: SentencePieces,
  vocabulary: ReadonlyMap<string, number>,
  special: ReadonlySet<number>,
): [string, string][] {
  const order = [...pieces.texts.keys()].filter((id) => !special.has(id));
  order.sort((a, b) => pieces.scores[b]! - pieces.scores[a]! || a - b);
  return order.flatMap((id) => splitsOf(pieces.texts[id]!, vocabulary));
}

/** The ways to write a piece as two others, in the order of the pairs' ids. */
function splitsOf(text: string, vocabulary: ReadonlyMap<string, number>): [string, string][] {
  const splits: { pair: [string, string]; left: number; right: number }[] = [];
  let cut = 0;
  for (const character of text) {
    cut += character.length;
    const pair: [string, string] = [text.slice(0, cut), text.slice(cut)];
    const left = vocabulary.get(pair[0]);
    const right = vocabulary.get(pair[1]);
    if (left !== undefined && right !== undefined) splits.push({ pair, left, right });
  }
  splits.sort((a, b) => a.left - b.left || a.right - b.right);
  return splits.map(({ pair }) => pair);
}
