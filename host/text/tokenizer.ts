import { Tokenizer as BpeTokenizer } from "@huggingface/tokenizers";
import { InputError } from "../errors.ts";
import { Detokenizer, type TokenBytes } from "./detokenizer.ts";
import { mergeBoundaries } from "./merge-boundaries.ts";
import { type PieceDecoder, pieceDecoder } from "./piece-bytes.ts";
import { parseTokenizerConfig, parseTokenizerJson, type TokenizerConfig } from "./tokenizer-schema.ts";

/** What is used of @huggingface/tokenizers, whose own declarations do not resolve under Node's rules. */
interface BpeLibrary {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
  token_to_id(token: string): number | undefined;
  pre_tokenizer: ((text: string) => string[]) | null;
}

export interface EncodeOptions {
  /** Puts the beginning-of-sequence token in front; default false. */
  readonly bos?: boolean;
}

/** Text to token ids and back. */
export interface Tokenizer extends TokenBytes {
  /** Highest id plus one. A model's vocabulary may be larger (padded). */
  readonly vocabSize: number;
  /** Length of the longest token, in characters or bytes, whichever is more. */
  readonly longestToken: number;
  readonly bosId: number | null;
  /** Ids that end a text. */
  readonly eosIds: readonly number[];
  /**
   * Token ids of a text, nothing added but what `options` asks for. Special tokens spelled out in the text are
   * recognized.
   * @throws InputError when `bos` is asked for and the tokenizer has none, or a character cannot be expressed.
   */
  encode(text: string, options?: EncodeOptions): number[];
  /** Text of all ids together; special tokens are left out. */
  decode(ids: readonly number[]): string;
  /** The id of a token by its spelling, special ones included. */
  idOf(token: string): number | undefined;
  /** How a token is spelled in the vocabulary, special ones included. */
  spellingOf(id: number): string | undefined;
}

/** Ids that a model names itself; they take precedence over tokenizer_config.json. */
export interface SpecialIds {
  readonly bosId?: number;
  readonly eosIds?: readonly number[];
}

/**
 * Makes a tokenizer of the bytes of tokenizer.json and tokenizer_config.json.
 * @throws InputError where they are damaged or describe a tokenizer that is not supported.
 */
export function loadTokenizer(
  tokenizerJson: Uint8Array,
  tokenizerConfig: Uint8Array | null = null,
  ids: SpecialIds = {},
): Tokenizer {
  const description = parseTokenizerJson(tokenizerJson);
  const config = tokenizerConfig === null ? {} : parseTokenizerConfig(tokenizerConfig);
  let library: BpeLibrary;
  try {
    library = new BpeTokenizer(description, config);
    // A word that ignore_merges finds in the vocabulary is one token, so it must not be cut.
    if (description.pre_tokenizer === null && description.model.ignore_merges !== true) {
      library.pre_tokenizer = mergeBoundaries(description.model.merges);
    }
  } catch (cause) {
    throw new InputError(
      "TOKENIZER_UNSUPPORTED",
      `tokenizer.json cannot be used: ${(cause as Error).message}.`,
      {
        cause,
      },
    );
  }
  const pieces = new Map(Object.entries(description.model.vocab).map(([piece, id]) => [id, piece]));
  const special = new Set<number>();
  for (const { id, content, special: isSpecial } of description.added_tokens) {
    pieces.set(id, content);
    if (isSpecial) special.add(id);
  }
  const { unk_token, fuse_unk } = description.model;
  const fusedId =
    fuse_unk === true && typeof unk_token === "string" ? library.token_to_id(unk_token) : undefined;
  const decoder = pieceDecoder(description.decoder);
  return new PieceTokenizer(library, { pieces, special, decoder, fusedId }, specialIds(library, config, ids));
}

function specialIds(library: BpeLibrary, config: TokenizerConfig, ids: SpecialIds): SpecialIds {
  const idOf = (token: TokenizerConfig["bos_token"]) => {
    const name = typeof token === "string" ? token : token?.content;
    return name === undefined ? undefined : library.token_to_id(name);
  };
  const bosId = ids.bosId ?? idOf(config.bos_token);
  const eosId = idOf(config.eos_token);
  const eosIds = ids.eosIds ?? (eosId === undefined ? [] : [eosId]);
  return bosId === undefined ? { eosIds } : { bosId, eosIds };
}

interface Vocabulary {
  /** Spellings by id. */
  readonly pieces: ReadonlyMap<number, string>;
  /** Ids that are no text. */
  readonly special: ReadonlySet<number>;
  readonly decoder: PieceDecoder;
  /** The unknown token where a run of unknown characters is one such token; the library leaves runs as they are. */
  readonly fusedId: number | undefined;
}

class PieceTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly bosId: number | null;
  readonly eosIds: readonly number[];
  readonly leadingSpaces: number;
  readonly #library: BpeLibrary;
  readonly #vocabulary: Vocabulary;
  /** By id, of tokens that were asked for: a text has few of them. */
  readonly #bytes: (Uint8Array | undefined)[] = [];
  #longestToken: number | undefined;

  constructor(library: BpeLibrary, vocabulary: Vocabulary, ids: SpecialIds) {
    this.#library = library;
    this.#vocabulary = vocabulary;
    this.leadingSpaces = vocabulary.decoder.leadingSpaces;
    this.bosId = ids.bosId ?? null;
    this.eosIds = ids.eosIds ?? [];
    let highest = -1;
    for (const id of vocabulary.pieces.keys()) highest = Math.max(highest, id);
    this.vocabSize = highest + 1;
  }

  get longestToken(): number {
    let longest = this.#longestToken ?? 1;
    if (this.#longestToken === undefined) {
      for (const [id, piece] of this.#vocabulary.pieces) {
        longest = Math.max(longest, piece.length, this.tokenBytes(id).length);
      }
      this.#longestToken = longest;
    }
    return longest;
  }

  encode(text: string, options: EncodeOptions = {}): number[] {
    const all = this.#library.encode(text, { add_special_tokens: false }).ids;
    const { pieces, fusedId: fused } = this.#vocabulary;
    if (!all.every((id) => pieces.has(id))) {
      throw new InputError("TOKENIZER_INVALID", "The tokenizer has no token for a character of the text.");
    }
    const ids = fused === undefined ? all : all.filter((id, i) => id !== fused || all[i - 1] !== fused);
    if (options.bos !== true) return ids;
    if (this.bosId === null) {
      throw new InputError("TOKENIZER_INVALID", "The tokenizer names no beginning-of-sequence token.");
    }
    return [this.bosId, ...ids];
  }

  decode(ids: readonly number[]): string {
    const stream = new Detokenizer(this);
    return ids.map((id) => stream.push(id)).join("") + stream.flush();
  }

  tokenBytes(id: number): Uint8Array {
    const known = this.#bytes[id];
    if (known !== undefined) return known;
    const { pieces, special, decoder } = this.#vocabulary;
    const piece = pieces.get(id);
    if (piece === undefined) return NO_BYTES;
    const bytes = special.has(id) ? NO_BYTES : decoder.bytesOf(piece);
    this.#bytes[id] = bytes;
    return bytes;
  }

  idOf(token: string): number | undefined {
    return this.#library.token_to_id(token);
  }

  spellingOf(id: number): string | undefined {
    return this.#vocabulary.pieces.get(id);
  }
}

const NO_BYTES = new Uint8Array(0);
