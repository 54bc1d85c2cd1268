import { type FileHandle, open, stat } from "node:fs/promises";
import { InputError } from "../../host/errors.ts";

/** Most bytes asked for at once: Node refuses reads of 2 GiB. */
const READ_BYTES = 1 << 30;

/** A file opened for reading, with the size it had then. */
export interface OpenFile {
  readonly path: string;
  readonly handle: FileHandle;
  readonly bytes: number;
}

/** Opens a regular file. @throws InputError when there is none at `path` or it cannot be opened. */
export async function openFile(path: string): Promise<OpenFile> {
  // Looked at before it is opened: opening a pipe would wait for a writer.
  const kind = await stat(path).catch((cause: Error) => {
    throw unreadable(path, "open", cause);
  });
  if (!kind.isFile()) throw new InputError("FILE_UNREADABLE", `${path} is not a regular file.`);
  const handle = await open(path, "r").catch((cause: Error) => {
    throw unreadable(path, "open", cause);
  });
  return { path, handle, bytes: (await handle.stat()).size };
}

/** Fills `into` from byte `offset` of the file. @throws InputError when the file ends before or cannot be read. */
export async function fillFrom(
  file: FileHandle,
  offset: number,
  into: Uint8Array,
  path: string,
): Promise<void> {
  let filled = 0;
  while (filled < into.length) {
    const length = Math.min(into.length - filled, READ_BYTES);
    const { bytesRead } = await file.read(into, filled, length, offset + filled).catch((cause: Error) => {
      throw unreadable(path, "read", cause);
    });
    if (bytesRead === 0) {
      throw new InputError(
        "FILE_TRUNCATED",
        `${path} has become shorter while it was read: it has no byte ${offset + filled}.`,
      );
    }
    filled += bytesRead;
  }
}

function unreadable(path: string, what: "open" | "read", cause: Error): InputError {
  return new InputError("FILE_UNREADABLE", `Cannot ${what} ${path}: ${cause.message}.`, { cause });
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
