import { Detokenizer } from "../text/detokenizer.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { TextCodec } from "./generate.ts";

/**
 * The text side of a model: its tokenizer, with the vocabulary and the end-of-sequence tokens that the model names.
 * A prompt gets the beginning-of-sequence token in front where the tokenizer has one.
 */
export function textCodec(
  tokenizer: Tokenizer,
  model: { readonly vocabSize: number; readonly eosIds: readonly number[] },
): TextCodec {
  return {
    vocabSize: model.vocabSize,
    eosIds: model.eosIds.length > 0 ? model.eosIds : tokenizer.eosIds,
    encode: (text) => tokenizer.encode(text, { bos: tokenizer.bosId !== null }),
    decoder: (prompt) => new Detokenizer(tokenizer, prompt),
    tokenText: (id) => new TextDecoder().decode(tokenizer.tokenBytes(id)),
  };
}
