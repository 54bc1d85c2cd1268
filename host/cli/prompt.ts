import { readFile, stat } from "node:fs/promises";
import { addAbortSignal } from "node:stream";
import { InputError, UsageError } from "../errors.ts";
import type { CliContext } from "./context.ts";

/** Longest prompt in bytes; no model takes as many tokens. */
export const MAX_PROMPT_BYTES = 16 * 1024 * 1024;

/** Where the command line says the prompt is. */
export interface PromptSource {
  readonly prompt?: string | undefined;
  /** A file, or `-` for stdin. */
  readonly promptFile?: string | undefined;
  /** Whether a lone `-` was given. */
  readonly stdin: boolean;
}

/**
 * The prompt, from the one place that was named. A line break at the very end of a file or of stdin is left out.
 * @returns undefined where none was named
 * @throws UsageError where several were named or the prompt is empty; InputError for a file that cannot be read, is
 *   over MAX_PROMPT_BYTES or is no UTF-8
 */
export async function readPrompt(context: CliContext, source: PromptSource): Promise<string | undefined> {
  const given = [source.prompt !== undefined, source.promptFile !== undefined, source.stdin].filter(
    Boolean,
  ).length;
  if (given > 1) {
    throw new UsageError("TWO_PROMPTS", "The prompt was given in more than one way.", {
      hint: "Use one of --prompt, --prompt-file and - (stdin).",
    });
  }
  if (source.prompt !== undefined) return notEmpty(source.prompt, "The prompt given with --prompt");
  if (source.stdin || source.promptFile === "-") {
    return notEmpty(decode(await readStdin(context), "stdin"), "The prompt read from stdin");
  }
  if (source.promptFile === undefined) return undefined;
  const { promptFile } = source;
  const { size } = await stat(promptFile);
  if (size > MAX_PROMPT_BYTES) throw tooLong(promptFile);
  return notEmpty(decode(await readFile(promptFile), promptFile), `The prompt in ${promptFile}`);
}

async function readStdin({ stdin, signal }: CliContext): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  addAbortSignal(signal, stdin);
  for await (const chunk of stdin) {
    const piece = typeof chunk === "string" ? Buffer.from(chunk) : (chunk as Uint8Array);
    bytes += piece.length;
    if (bytes > MAX_PROMPT_BYTES) throw tooLong("stdin");
    chunks.push(piece);
  }
  return Buffer.concat(chunks);
}

function decode(bytes: Uint8Array, where: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes).replace(/\r?\n$/, "");
  } catch (cause) {
    throw new InputError("PROMPT_NOT_TEXT", `The prompt in ${where} is not text in UTF-8.`, { cause });
  }
}

function notEmpty(prompt: string, what: string): string {
  if (prompt !== "") return prompt;
  throw new UsageError("EMPTY_PROMPT", `${what} is empty; there is nothing to continue.`, {
    hint: "Give at least one character, for example --prompt 'Once upon a time'.",
  });
}

function tooLong(where: string): InputError {
  return new InputError("PROMPT_TOO_LONG", `The prompt in ${where} has more than ${MAX_PROMPT_BYTES} bytes.`);
}
