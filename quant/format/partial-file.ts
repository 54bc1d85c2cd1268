import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { type FileHandle, open, readdir, rename, rm, stat, statfs } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { InputError } from "../../host/errors.ts";

/**
 * A file that appears under its name only when it is complete. It is written beside the target, under a name that
 * carries the process id, and renamed by `commit`; `discard` removes it, and so does the end of the process. What a
 * killed process left is removed when the same target is written next.
 */
export class PartialFile {
  readonly target: string;
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #onExit = () => rmSync(this.path, { force: true });

  private constructor(target: string, path: string, handle: FileHandle) {
    this.target = target;
    this.path = path;
    this.#handle = handle;
    process.once("exit", this.#onExit);
  }

  /**
   * @param bytes how long the file will get; refused at once when the file system has less room.
   * @param options.mode permissions of the file; default what the umask leaves of 0666.
   * @throws InputError OUTPUT_WRITE_FAILED when it cannot be created there.
   */
  static async create(target: string, bytes: number, { mode }: { mode?: number } = {}): Promise<PartialFile> {
    const folder = dirname(target);
    const path = join(folder, `${prefix(target)}${process.pid}-${randomBytes(4).toString("hex")}${suffix}`);
    try {
      if ((await stat(target).catch(() => null))?.isDirectory()) {
        throw new InputError("OUTPUT_WRITE_FAILED", `Cannot write ${target}: it is a folder.`);
      }
      await removeStale(target);
      const { bavail, bsize } = await statfs(folder);
      if (bavail * bsize < bytes) {
        throw new InputError(
          "OUTPUT_WRITE_FAILED",
          `Cannot write ${target}: it takes ${bytes} bytes and the disk has ${bavail * bsize} free.`,
          { hint: noRoomHint },
        );
      }
      return new PartialFile(target, path, await open(path, "wx", mode));
    } catch (error) {
      throw writeFailure(target, error);
    }
  }

  /** Writes all of `bytes` at a position. @throws InputError OUTPUT_WRITE_FAILED, also for a full disk. */
  async write(bytes: Uint8Array, position: number): Promise<void> {
    try {
      for (let done = 0; done < bytes.length; ) {
        const part = await this.#handle.write(bytes, done, bytes.length - done, position + done);
        done += part.bytesWritten;
      }
    } catch (error) {
      throw writeFailure(this.target, error);
    }
  }

  /** Flushes and renames onto the target. @throws InputError OUTPUT_WRITE_FAILED. */
  async commit(): Promise<void> {
    try {
      await this.#handle.sync();
      await this.#handle.close();
      await rename(this.path, this.target);
    } catch (error) {
      throw writeFailure(this.target, error);
    }
    process.removeListener("exit", this.#onExit);
  }

  /** Removes what was written; nothing happens to a file that was there before. Safe at any time. */
  async discard(): Promise<void> {
    process.removeListener("exit", this.#onExit);
    await this.#handle.close().catch(() => {});
    await rm(this.path, { force: true });
  }
}

const suffix = ".partial";

function prefix(target: string): string {
  return `.${basename(target)}.`;
}

async function removeStale(target: string): Promise<void> {
  const start = prefix(target);
  for (const name of await readdir(dirname(target))) {
    if (!name.startsWith(start) || !name.endsWith(suffix)) continue;
    const pid = /^(\d+)-[0-9a-f]+$/.exec(name.slice(start.length, -suffix.length))?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(dirname(target), name), { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

const noRoomHint = "Free some space, or write to another disk.";

function writeFailure(target: string, error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof InputError || code === undefined) return error;
  const full = code === "ENOSPC" || code === "EDQUOT";
  return new InputError(
    "OUTPUT_WRITE_FAILED",
    `Cannot write ${target}: ${full ? "the disk is full" : message}. Nothing was left behind.`,
    { cause: error, hint: full ? noRoomHint : "Name an output in a folder that exists and can be written." },
  );
}
