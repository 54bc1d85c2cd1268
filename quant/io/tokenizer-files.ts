import { stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { InputError } from "../../host/errors.ts";
import { tokenizerFromGguf } from "./gguf-tokenizer.ts";
import { FILE_LIMITS, readBounded } from "./json-file.ts";
import { tokenizerFromSentencePiece } from "./sentencepiece-model.ts";
import { looksLikeTiktoken, tokenizerFromTiktoken } from "./tiktoken.ts";
import { tokenizerFromBin } from "./tokenizer-bin.ts";

/** A tokenizer as the files that describe it in Hugging Face's form, byte for byte. */
export interface TokenizerFiles {
  readonly tokenizerJson: Uint8Array;
  /** tokenizer_config.json: names of the special tokens, mostly the chat template too. */
  readonly tokenizerConfig: Uint8Array | null;
  /** chat_template.jinja, where the template is a file of its own. */
  readonly chatTemplate: Uint8Array | null;
}

/**
 * Reads a tokenizer: a folder with tokenizer.json or tokenizer.model, such a file (with its neighbours), a llama2.c
 * tokenizer.bin, or the metadata of a .gguf file. What is no tokenizer.json is turned into that form; a
 * tokenizer.model may be SentencePiece's or Llama 3's tiktoken ranks.
 * @returns null where a folder has no tokenizer or the file does not exist.
 * @throws InputError where a file is too large, damaged, or of another kind.
 */
export async function readTokenizerFiles(path: string): Promise<TokenizerFiles | null> {
  const kind = await stat(path).catch(() => null);
  if (kind === null) return null;
  if (kind.isDirectory()) {
    return (await readTokenizerJson(path, "tokenizer.json")) ?? readTokenizerModel(path, "tokenizer.model");
  }
  if (path.endsWith(".json")) return readTokenizerJson(dirname(path), basename(path));
  if (path.endsWith(".model")) return readTokenizerModel(dirname(path), basename(path));
  if (path.endsWith(".gguf")) return tokenizerFromGguf(path);
  if (!path.endsWith(".bin")) {
    throw new InputError("TOKENIZER_UNKNOWN", `${path} is not a tokenizer that can be read.`, {
      hint: "Give a tokenizer.json, tokenizer.model, .gguf or a llama2.c tokenizer.bin.",
    });
  }
  const bytes = await readBounded(path, FILE_LIMITS.tokenizerBin);
  return bytes === null ? null : tokenizerFromBin(bytes, path);
}

async function readTokenizerJson(folder: string, name: string): Promise<TokenizerFiles | null> {
  const tokenizerJson = await readBounded(join(folder, name), FILE_LIMITS.tokenizerJson);
  return tokenizerJson === null ? null : { tokenizerJson, ...(await neighbours(folder)) };
}

/** The neighbours' own tokenizer_config.json is better than the one made from the vocabulary alone. */
async function readTokenizerModel(folder: string, name: string): Promise<TokenizerFiles | null> {
  const path = join(folder, name);
  const bytes = await readBounded(path, FILE_LIMITS.tokenizerModel);
  if (bytes === null) return null;
  const made = looksLikeTiktoken(bytes)
    ? tokenizerFromTiktoken(bytes, path)
    : tokenizerFromSentencePiece(bytes, path);
  const beside = await neighbours(folder);
  return { ...made, ...beside, tokenizerConfig: beside.tokenizerConfig ?? made.tokenizerConfig };
}

async function neighbours(folder: string): Promise<Omit<TokenizerFiles, "tokenizerJson">> {
  return {
    tokenizerConfig: await readBounded(join(folder, "tokenizer_config.json"), FILE_LIMITS.tokenizerConfig),
    chatTemplate: await readBounded(join(folder, "chat_template.jinja"), FILE_LIMITS.chatTemplate),
  };
}
