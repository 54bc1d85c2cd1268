import { z } from "zod";
import { InputError } from "../../host/errors.ts";
import { byteLevelTokenizer, splittings } from "./byte-level.ts";
import { readGgufHeader } from "./gguf-header.ts";
import { checkSchema, FILE_LIMITS } from "./json-file.ts";
import { tokenizerFromPieces } from "./sentencepiece.ts";
import type { TokenizerFiles } from "./tokenizer-files.ts";

const tokens = z
  .array(z.string().max(1_024))
  .min(1)
  .max(1 << 20);
const id = z
  .number()
  .int()
  .min(0)
  .max((1 << 20) - 1);
const template = z.string().max(FILE_LIMITS.chatTemplate).optional();

const sentencePieceSchema = z.object({
  "tokenizer.ggml.model": z.literal("llama"),
  "tokenizer.ggml.tokens": tokens,
  "tokenizer.ggml.scores": z.array(z.number()).max(1 << 20),
  "tokenizer.ggml.unknown_token_id": id.default(0),
  "tokenizer.ggml.bos_token_id": id.default(1),
  "tokenizer.ggml.eos_token_id": id.default(2),
  "tokenizer.chat_template": template,
});

const byteLevelSchema = z.object({
  "tokenizer.ggml.model": z.literal("gpt2"),
  "tokenizer.ggml.pre": z.literal(["llama-bpe", "llama3", "llama-v3", "qwen2", "smollm"]),
  "tokenizer.ggml.tokens": tokens,
  "tokenizer.ggml.token_type": z.array(z.number().int()).max(1 << 20),
  "tokenizer.ggml.merges": z.array(z.string().max(2_048)).max(1 << 22),
  "tokenizer.ggml.bos_token_id": id,
  "tokenizer.ggml.eos_token_id": id,
  "tokenizer.chat_template": template,
});

const schema = z.discriminatedUnion("tokenizer.ggml.model", [sentencePieceSchema, byteLevelSchema]);

/** ggml's token types of control tokens, such as the beginning of a text, and of words that users added. */
const CONTROL = 3;
const USER_DEFINED = 4;

/**
 * The tokenizer in a GGUF file's metadata: SentencePiece ("llama"), or byte-level BPE ("gpt2") with the split of
 * Llama 3, Qwen2 or SmolLM.
 * @throws InputError where the file is no GGUF or has another kind of tokenizer.
 */
export async function tokenizerFromGguf(path: string): Promise<TokenizerFiles> {
  return tokenizerFromGgufMetadata((await readGgufHeader(path)).metadata, path);
}

/**
 * The same from metadata that has been read already.
 * @throws InputError
 */
export function tokenizerFromGgufMetadata(
  metadata: Readonly<Record<string, unknown>>,
  path: string,
): TokenizerFiles {
  const read = checkSchema(metadata, schema, path);
  const pieces = read["tokenizer.ggml.tokens"];
  const bosId = read["tokenizer.ggml.bos_token_id"];
  const eosId = read["tokenizer.ggml.eos_token_id"];
  const named = { unknownId: 0, bosId, eosId };
  const bad = (message: string) => new InputError("TOKENIZER_INVALID", `${path}: ${message}.`);
  const missing = Object.entries(named).find(([, one]) => one >= pieces.length);
  if (missing !== undefined)
    throw bad(`its ${missing[0]} is ${missing[1]}, but it has ${pieces.length} tokens`);
  const chat = read["tokenizer.chat_template"];
  const chatTemplate = chat === undefined ? null : new TextEncoder().encode(chat);

  if (read["tokenizer.ggml.model"] === "llama") {
    const scores = read["tokenizer.ggml.scores"];
    if (scores.length !== pieces.length) {
      throw bad(`it has ${pieces.length} tokens but ${scores.length} scores`);
    }
    const unknownId = read["tokenizer.ggml.unknown_token_id"];
    if (unknownId >= pieces.length)
      throw bad(`its unknownId is ${unknownId}, but it has ${pieces.length} tokens`);
    return { ...tokenizerFromPieces({ texts: pieces, scores, unknownId, bosId, eosId }, path), chatTemplate };
  }
  const types = read["tokenizer.ggml.token_type"];
  const merges = read["tokenizer.ggml.merges"].map((merge): [string, string] => {
    const cut = merge.indexOf(" ");
    if (cut < 1) throw bad(`the merge ${JSON.stringify(merge)} is no pair`);
    return [merge.slice(0, cut), merge.slice(cut + 1)];
  });
  const added = pieces.flatMap((content, one) => {
    const control = types[one] === CONTROL;
    return control || types[one] === USER_DEFINED ? [{ id: one, content, control }] : [];
  });
  const pre = read["tokenizer.ggml.pre"];
  const splitting = splittings[pre === "qwen2" || pre === "smollm" ? pre : "llama3"];
  const vocabulary = { pieces, merges, added, splitting, bos: pieces[bosId]!, eos: pieces[eosId]! };
  return { ...byteLevelTokenizer(vocabulary), chatTemplate };
}
