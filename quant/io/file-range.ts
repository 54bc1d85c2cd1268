import { type FileHandle, open } from "node:fs/promises";
import { InputError } from "../../host/errors.ts";

/** A file opened for reading, with the size it had then. */
export interface OpenFile {
  readonly path: string;
  readonly handle: FileHandle;
  readonly bytes: number;
}

/** Opens a regular file. @throws InputError when there is none at `path` or it cannot be opened. */
export async function openFile(path: string): Promise<OpenFile> {
  let handle: FileHandle;
  try {
    handle = await open(path, "r");
  } catch (cause) {
    throw new InputError("FILE_UNREADABLE", `Cannot open ${path}: ${(cause as Error).message}.`, { cause });
  }
  const stat = await handle.stat();
  if (stat.isFile()) return { path, handle, bytes: stat.size };
  await handle.close();
  throw new InputError("FILE_UNREADABLE", `${path} is not a regular file.`);
}

/** Fills `into` from byte `offset` of the file. @throws InputError when the file ends before. */
export async function fillFrom(
  file: FileHandle,
  offset: number,
  into: Uint8Array,
  path: string,
): Promise<void> {
  let filled = 0;
  while (filled < into.length) {
    const { bytesRead } = await file.read(into, filled, into.length - filled, offset + filled);
    if (bytesRead === 0) {
      throw new InputError(
        "FILE_TRUNCATED",
        `${path} has become shorter while it was read: it has no byte ${offset + filled}.`,
      );
    }
    filled += bytesRead;
  }
}

/** Reads `bytes` bytes from `offset`; the caller has checked both against the file's size. */
export async function readExactly(
  file: FileHandle,
  offset: number,
  bytes: number,
  path: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const into = new Uint8Array(bytes);
  await fillFrom(file, offset, into, path);
  return into;
}
