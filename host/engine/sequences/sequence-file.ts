import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { z } from "zod";
import { PartialFile } from "../../../quant/format/partial-file.ts";
import { InputError } from "../../errors.ts";

/**
 * A sequence on disk. "ACCLLMKV", the length of the header as uint32, the header as JSON, the token ids as uint32, the
 * cache's bytes as `KvMemory` copies them, SHA-256 of all that is before; little endian.
 */
const MAGIC = Buffer.from("ACCLLMKV", "latin1");
const PREAMBLE_BYTES = MAGIC.length + 4;
const MAX_HEADER_BYTES = 4096;
const DIGEST_BYTES = 32;
/** Written and hashed at a time, so that other work gets its turn in between. */
const CHUNK_BYTES = 4 << 20;

const headerSchema = z.object({
  format: z.literal("accllm-sequence"),
  version: z.literal(1),
  /** What the bytes belong to: image, sinks and window (cache-key.ts). */
  key: z.string().regex(/^[0-9a-f]{64}$/),
  tokens: z.int().min(1),
  written: z.int().min(1),
  cacheBytes: z.int().min(0),
});

/** What a file says of itself, without the cache's bytes; not yet checked against the digest. */
export interface SequenceHead {
  readonly key: string;
  readonly ids: Uint32Array;
  readonly written: number;
  readonly cacheBytes: number;
  /** Bytes of the whole file. */
  readonly fileBytes: number;
}

/** A sequence with its cache. */
export interface StoredSequence {
  readonly key: string;
  readonly ids: Uint32Array;
  readonly written: number;
  readonly cache: Uint8Array;
}

/** Bytes of a sequence's file. */
export function sequenceFileBytes(sequence: StoredSequence): number {
  return startOf(sequence).length + sequence.cache.length + DIGEST_BYTES;
}

/**
 * Writes a file beside its place and renames it; only its owner may read it.
 * @throws InputError OUTPUT_WRITE_FAILED; nothing is left behind then
 */
export async function writeSequence(path: string, sequence: StoredSequence): Promise<void> {
  const file = await PartialFile.create(path, sequenceFileBytes(sequence), { mode: 0o600 });
  try {
    const hash = createHash("sha256");
    let at = 0;
    for (const part of [startOf(sequence), sequence.cache]) {
      for (let start = 0; start < part.length; start += CHUNK_BYTES) {
        const chunk = part.subarray(start, start + CHUNK_BYTES);
        hash.update(chunk);
        await file.write(chunk, at);
        at += chunk.length;
      }
    }
    await file.write(hash.digest(), at);
    await file.commit();
  } catch (error) {
    await file.discard();
    throw error;
  }
}

/** All that comes before the cache. */
function startOf({ key, ids, written, cache }: StoredSequence): Uint8Array {
  const header: z.infer<typeof headerSchema> = {
    format: "accllm-sequence",
    version: 1,
    key,
    tokens: ids.length,
    written,
    cacheBytes: cache.length,
  };
  const text = Buffer.from(JSON.stringify(header));
  const preamble = Buffer.alloc(PREAMBLE_BYTES);
  MAGIC.copy(preamble);
  preamble.writeUInt32LE(text.length, MAGIC.length);
  return Buffer.concat([preamble, text, bytesOf(ids)]);
}

/** Reads what a file says of itself. @throws InputError SEQUENCE_INVALID, or what opening throws */
export async function readSequenceHead(path: string): Promise<SequenceHead> {
  const file = await open(path, "r");
  try {
    return (await headOf(path, file)).head;
  } finally {
    await file.close();
  }
}

/**
 * Reads a whole file and checks its digest.
 * @throws InputError SEQUENCE_INVALID, or what opening throws
 */
export async function readSequence(path: string): Promise<StoredSequence> {
  const file = await open(path, "r");
  try {
    const { head, start } = await headOf(path, file);
    const cache = new Uint8Array(head.cacheBytes);
    const hash = createHash("sha256").update(start);
    let at = start.length;
    for (let done = 0; done < cache.length; done += CHUNK_BYTES) {
      const chunk = cache.subarray(done, done + CHUNK_BYTES);
      await readInto(path, file, chunk, at);
      hash.update(chunk);
      at += chunk.length;
    }
    const digest = Buffer.alloc(DIGEST_BYTES);
    await readInto(path, file, digest, at);
    if (!hash.digest().equals(digest)) throw invalid(path, "its checksum does not match its content");
    const { key, ids, written } = head;
    return { key, ids, written, cache };
  } finally {
    await file.close();
  }
}

/** The head, and all bytes before the cache. Nothing is allocated that the file's size does not cover. */
async function headOf(path: string, file: FileHandle): Promise<{ head: SequenceHead; start: Buffer }> {
  const { size } = await file.stat();
  const preamble = Buffer.alloc(PREAMBLE_BYTES);
  if (size < PREAMBLE_BYTES) throw invalid(path, "it is too short");
  await readInto(path, file, preamble, 0);
  const headerBytes = preamble.readUInt32LE(MAGIC.length);
  if (!preamble.subarray(0, MAGIC.length).equals(MAGIC) || headerBytes > MAX_HEADER_BYTES) {
    throw invalid(path, "it does not begin like one");
  }
  const text = Buffer.alloc(headerBytes);
  await readInto(path, file, text, PREAMBLE_BYTES);
  let value: unknown;
  try {
    value = JSON.parse(text.toString("utf8"));
  } catch (cause) {
    throw invalid(path, "its header is no JSON", cause);
  }
  const parsed = headerSchema.safeParse(value);
  if (!parsed.success) throw invalid(path, `its header's ${parsed.error.issues[0]!.path.join(".")} is wrong`);
  const { key, tokens, written, cacheBytes } = parsed.data;
  if (size !== PREAMBLE_BYTES + headerBytes + 4 * tokens + cacheBytes + DIGEST_BYTES) {
    throw invalid(path, `it has ${size} bytes, which is not what its header says`);
  }
  const ids = new Uint32Array(tokens);
  await readInto(path, file, bytesOf(ids), PREAMBLE_BYTES + headerBytes);
  const start = Buffer.concat([preamble, text, bytesOf(ids)]);
  return { head: { key, ids, written, cacheBytes, fileBytes: size }, start };
}

function bytesOf(ids: Uint32Array): Uint8Array {
  return new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength);
}

async function readInto(path: string, file: FileHandle, target: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < target.length; ) {
    const { bytesRead } = await file.read(target, done, target.length - done, position + done);
    if (bytesRead === 0) throw invalid(path, "it ends early");
    done += bytesRead;
  }
}

function invalid(path: string, why: string, cause?: unknown): InputError {
  return new InputError("SEQUENCE_INVALID", `${path} is no saved sequence: ${why}.`, { cause });
}
