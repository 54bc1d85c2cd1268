import type { FileHandle } from "node:fs/promises";
import { z } from "zod";
import { InputError } from "../../host/errors.ts";
import { readExactly } from "./file-range.ts";
import { parseJson } from "./json-file.ts";

/** Limits on a safetensors header; the first is the format's own. */
export const SAFETENSORS_LIMITS = {
  headerBytes: 100_000_000,
  tensors: 1_000_000,
  nameLength: 1_024,
  rank: 8,
} as const;

/** Bytes in front of the header: its length as a little-endian 64-bit integer. */
const LENGTH_BYTES = 8;

const DTYPE_BYTES = new Map([
  ["BOOL", 1],
  ["U8", 1],
  ["I8", 1],
  ["F8_E5M2", 1],
  ["F8_E4M3", 1],
  ["I16", 2],
  ["U16", 2],
  ["F16", 2],
  ["BF16", 2],
  ["I32", 4],
  ["U32", 4],
  ["F32", 4],
  ["I64", 8],
  ["U64", 8],
  ["F64", 8],
]);

/** One tensor of a safetensors file. */
export interface SafetensorsEntry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Where its bytes begin, from the start of the file. */
  readonly offset: number;
  readonly bytes: number;
}

const safeCount = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const entrySchema = z.strictObject({
  dtype: z.string(),
  shape: z.array(safeCount).max(SAFETENSORS_LIMITS.rank),
  data_offsets: z.tuple([safeCount, safeCount]),
});
const metadataSchema = z.record(z.string(), z.string());
const headerSchema = z.record(z.string(), z.unknown());

/**
 * Reads and checks the header of a safetensors file: every length, offset, shape and dtype against the file's
 * size and the limits above. As in the format's reference implementation, the tensors have to cover the data
 * exactly, without overlap or hole.
 * @returns the tensors by name, in order of their place in the file.
 * @throws InputError naming the file and the tensor.
 */
export async function readSafetensorsHeader(
  file: FileHandle,
  fileBytes: number,
  path: string,
): Promise<Map<string, SafetensorsEntry>> {
  const bad = (message: string) => new InputError("SAFETENSORS_INVALID", `${path}: ${message}.`);
  if (fileBytes < LENGTH_BYTES) throw bad(`${fileBytes} bytes are too few for a safetensors file`);
  const prefix = await readExactly(file, 0, LENGTH_BYTES, path);
  const declared = new DataView(prefix.buffer).getBigUint64(0, true);
  if (declared > BigInt(SAFETENSORS_LIMITS.headerBytes)) {
    throw bad(`its header claims ${declared} bytes; at most ${SAFETENSORS_LIMITS.headerBytes} are accepted`);
  }
  const headerBytes = Number(declared);
  const dataStart = LENGTH_BYTES + headerBytes;
  if (dataStart > fileBytes) {
    throw bad(`its header claims ${headerBytes} bytes but the file has only ${fileBytes}; it is truncated`);
  }
  const json = await readExactly(file, LENGTH_BYTES, headerBytes, path);
  const header = Object.entries(parseJson(json, headerSchema, `${path} (header)`));
  if (header.length > SAFETENSORS_LIMITS.tensors) throw bad(`it lists ${header.length} tensors`);

  const entries: SafetensorsEntry[] = [];
  for (const [name, value] of header) {
    if (name === "__metadata__") {
      const metadata = metadataSchema.safeParse(value);
      if (!metadata.success) throw bad("its __metadata__ is not a map of strings");
      continue;
    }
    entries.push(checkEntry(name, value, dataStart, bad));
  }
  entries.sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
  checkCoverage(entries, dataStart, fileBytes, bad);
  return new Map(entries.map((entry) => [entry.name, entry]));
}

type Complain = (message: string) => InputError;

function checkEntry(name: string, value: unknown, dataStart: number, bad: Complain): SafetensorsEntry {
  if (name.length > SAFETENSORS_LIMITS.nameLength) throw bad(`a tensor's name has ${name.length} characters`);
  if (name in Object.prototype) throw bad(`"${name}" is no acceptable tensor name`);
  const parsed = entrySchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw bad(`tensor "${name}": ${issue?.path.join(".")}: ${issue?.message}`);
  }
  const { dtype, shape, data_offsets } = parsed.data;
  const size = DTYPE_BYTES.get(dtype);
  if (size === undefined) throw bad(`tensor "${name}" has the unknown dtype "${dtype}"`);
  let bytes = size;
  for (const extent of shape) {
    bytes *= extent;
    if (!Number.isSafeInteger(bytes))
      throw bad(`tensor "${name}" has the impossible shape [${shape.join(", ")}]`);
  }
  const [begin, end] = data_offsets;
  if (end - begin !== bytes) {
    throw bad(
      `tensor "${name}" of shape [${shape.join(", ")}] and dtype ${dtype} needs ${bytes} bytes, ` +
        `but its offsets span ${end - begin}`,
    );
  }
  return { name, dtype, shape, offset: dataStart + begin, bytes };
}

function checkCoverage(
  entries: readonly SafetensorsEntry[],
  dataStart: number,
  fileBytes: number,
  bad: Complain,
): void {
  let position = dataStart;
  for (const { name, offset, bytes } of entries) {
    if (offset < position) throw bad(`tensor "${name}" overlaps the tensor before it`);
    if (offset > position)
      throw bad(`${offset - position} bytes before tensor "${name}" belong to no tensor`);
    position = offset + bytes;
    if (position > fileBytes) {
      throw bad(
        `tensor "${name}" ends at byte ${position} but the file has only ${fileBytes}; it is truncated`,
      );
    }
  }
  if (position !== fileBytes) throw bad(`${fileBytes - position} bytes at its end belong to no tensor`);
}
