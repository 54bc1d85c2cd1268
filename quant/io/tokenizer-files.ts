import { stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { InputError } from "../../host/errors.ts";
import { FILE_LIMITS, readBounded } from "./json-file.ts";
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
 * Reads a tokenizer: a folder with tokenizer.json, such a file (with its neighbours), or a llama2.c tokenizer.bin,
 * which is turned into the same form.
 * @returns null where a folder has no tokenizer.json or the file does not exist.
 * @throws InputError where a file is too large, damaged, or of another kind.
 */
export async function readTokenizerFiles(path: string): Promise<TokenizerFiles | null> {
  const kind = await stat(path).catch(() => null);
  if (kind === null) return null;
  if (kind.isDirectory()) return readTokenizerJson(path, "tokenizer.json");
  if (path.endsWith(".json")) return readTokenizerJson(dirname(path), basename(path));
  if (!path.endsWith(".bin")) {
    throw new InputError("TOKENIZER_UNKNOWN", `${path} is not a tokenizer that can be read.`, {
      hint: "Give a tokenizer.json or a llama2.c tokenizer.bin.",
    });
  }
  const bytes = await readBounded(path, FILE_LIMITS.tokenizerBin);
  return bytes === null ? null : tokenizerFromBin(bytes, path);
}

async function readTokenizerJson(folder: string, name: string): Promise<TokenizerFiles | null> {
  const tokenizerJson = await readBounded(join(folder, name), FILE_LIMITS.tokenizerJson);
  if (tokenizerJson === null) return null;
  return {
    tokenizerJson,
    tokenizerConfig: await readBounded(join(folder, "tokenizer_config.json"), FILE_LIMITS.tokenizerConfig),
    chatTemplate: await readBounded(join(folder, "chat_template.jinja"), FILE_LIMITS.chatTemplate),
  };
}
