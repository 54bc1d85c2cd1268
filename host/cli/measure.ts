import { readFile, stat } from "node:fs/promises";
import { FloatModel } from "../../quant/eval/float-model.ts";
import { type LogitsSource, measurePerplexity } from "../../quant/eval/perplexity.ts";
import { openImage } from "../../quant/format/image.ts";
import { openCheckpoint, requireTokenizer } from "../../quant/io/checkpoint.ts";
import { imageTokenizer } from "../engine/load.ts";
import { openSessions } from "../engine/load-several.ts";
import { sessionLogits } from "../engine/logits-source.ts";
import { InputError, UsageError } from "../errors.ts";
import { loadTokenizer, type Tokenizer } from "../text/tokenizer.ts";
import type { Control, PerplexityReport, PerplexityRequest } from "./services.ts";

/**
 * Perplexity of a model image on one device or several, or of a checkpoint in float32.
 * @throws UsageError, InputError, DeviceError, InterruptedError
 */
export async function perplexityOf(request: PerplexityRequest, control: Control): Promise<PerplexityReport> {
  return (await isImage(request.path)) ? ofImage(request, control) : ofCheckpoint(request, control);
}

async function ofImage(request: PerplexityRequest, control: Control): Promise<PerplexityReport> {
  if (request.tokenizer !== undefined) {
    throw new UsageError(
      "TOKENIZER_IN_IMAGE",
      "A model image has its tokenizer inside; --tokenizer is for checkpoints.",
    );
  }
  const image = await openImage(request.path);
  try {
    const tokenizer = await imageTokenizer(image);
    const ids = await textIds(tokenizer, request.text);
    const { device, engine, threads, xclbin } = request;
    const sessions = await openSessions(image, { device, engine, threads, xclbin, signal: control.signal });
    try {
      return await measure(sessions.map(sessionLogits), tokenizer, ids, request, control);
    } finally {
      for (const session of sessions) await session.close();
    }
  } finally {
    await image.close();
  }
}

async function ofCheckpoint(request: PerplexityRequest, control: Control): Promise<PerplexityReport> {
  const { tokenizer: tokenizerPath } = request;
  const checkpoint = await openCheckpoint(
    request.path,
    tokenizerPath === undefined ? {} : { tokenizer: tokenizerPath },
  );
  try {
    const { tokenizerJson, tokenizerConfig } = requireTokenizer(checkpoint);
    const { bosId, eosIds } = checkpoint.config;
    const tokenizer = loadTokenizer(tokenizerJson, tokenizerConfig, {
      ...(bosId === null ? {} : { bosId }),
      eosIds,
    });
    const ids = await textIds(tokenizer, request.text);
    const model = await FloatModel.load(checkpoint, { signal: control.signal });
    return await measure([model], tokenizer, ids, request, control);
  } finally {
    await checkpoint.close();
  }
}

function measure(
  sources: readonly LogitsSource[],
  tokenizer: Tokenizer,
  ids: readonly number[],
  { path, context, maxTokens }: PerplexityRequest,
  { signal, progress }: Control,
): Promise<PerplexityReport> {
  const { bosId } = tokenizer;
  if (bosId === null) {
    throw new InputError(
      "NO_BOS",
      `The tokenizer of ${path} names no beginning-of-sequence token, which every window starts with.`,
    );
  }
  return measurePerplexity(sources, {
    ids,
    bosId,
    context,
    maxTokens,
    signal,
    onProgress: ({ tokens, total }) => progress(tokens, total),
  });
}

async function textIds(tokenizer: Tokenizer, path: string): Promise<number[]> {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(await readFile(path));
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new InputError("TEXT_NOT_UTF8", `The text ${path} is not UTF-8.`, { cause });
  }
  return tokenizer.encode(text);
}

/** Checkpoints are folders, GGUF or llama2.c .bin files. */
async function isImage(path: string): Promise<boolean> {
  return !((await stat(path)).isDirectory() || /\.(bin|gguf)$/i.test(path));
}
