import { existsSync } from "node:fs";
import type { z } from "zod";
import { InputError } from "../../host/errors.ts";
import { openFile, readExactly } from "./file-range.ts";

/** Largest accepted size in bytes of each small file of a checkpoint; far above any published model's. */
export const FILE_LIMITS = {
  config: 1 << 20,
  generationConfig: 1 << 20,
  shardIndex: 64 << 20,
  tokenizerJson: 128 << 20,
  tokenizerConfig: 8 << 20,
  chatTemplate: 1 << 20,
  tokenizerBin: 64 << 20,
  tokenizerModel: 64 << 20,
} as const;

/**
 * Reads a whole file of at most `limit` bytes; the size is checked before anything is allocated.
 * @returns the bytes, or null where the file does not exist.
 * @throws InputError when it is no regular file, too large, or cannot be read.
 */
export async function readBounded(path: string, limit: number): Promise<Uint8Array | null> {
  if (!existsSync(path)) return null;
  const file = await openFile(path);
  try {
    if (file.bytes > limit) {
      throw new InputError(
        "FILE_TOO_LARGE",
        `${path} has ${file.bytes} bytes; at most ${limit} are accepted for a file of this kind.`,
      );
    }
    return await readExactly(file.handle, 0, file.bytes, path);
  } finally {
    await file.handle.close();
  }
}

/**
 * Parses UTF-8 JSON and checks it against `schema`.
 * @param label how error messages name the data: a path, or a path and a part of it.
 * @throws InputError when it is not UTF-8, not JSON, or does not match.
 */
export function parseJson<T>(bytes: Uint8Array, schema: z.ZodType<T>, label: string): T {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new InputError("JSON_INVALID", `${label} is not valid JSON: ${(cause as Error).message}.`, {
      cause,
    });
  }
  return checkSchema(value, schema, label);
}

/** Checks a parsed value against `schema`. @throws InputError naming the first offending field. */
export function checkSchema<T>(value: unknown, schema: z.ZodType<T>, label: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const field = issue?.path.join(".") ?? "";
  throw new InputError(
    "SCHEMA_MISMATCH",
    `${label}: ${field === "" ? "" : `field "${field}": `}${issue?.message ?? "does not match its schema"}.`,
    { cause: result.error },
  );
}
