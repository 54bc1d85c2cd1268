import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { access, mkdir, readdir, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { UsageError } from "../../errors.ts";
import { type CacheShape, canRewind, reusableTokens } from "./prefix.ts";
import {
  readSequence,
  readSequenceHead,
  type StoredSequence,
  sequenceFileBytes,
  writeSequence,
} from "./sequence-file.ts";

/** Fewer tokens than this are run sooner than restored: a block of the kernel. */
export const LEAST_STORED_TOKENS = 16;

/** What happened in the folder. "refused": a file that is damaged, and is removed. */
export interface StoreEvent {
  readonly type: "saved" | "restored" | "evicted" | "refused" | "failed";
  readonly tokens?: number;
  readonly bytes?: number;
  /** For logs; names files. */
  readonly error?: unknown;
}

export interface SequenceStoreOptions {
  readonly folder: string;
  /** Bytes of all files of the folder together; what was used longest ago goes first. */
  readonly limitBytes: number;
  /** What sequences belong to: others are never restored (cache-key.ts). */
  readonly key: string;
  readonly shape: CacheShape;
  /** Bytes of the cache's copy for so many tokens. */
  readonly cacheBytes: (tokens: number) => number;
  readonly onEvent?: ((event: StoreEvent) => void) | undefined;
}

interface Entry {
  readonly name: string;
  readonly bytes: number;
  /** Absent for another model's. */
  readonly sequence: { readonly ids: Uint32Array; readonly written: number } | undefined;
  /** Milliseconds since 1970. */
  used: number;
}

/** Reads a stored sequence, its digest checked; undefined where it is gone or damaged. */
export type LoadSequence = () => Promise<StoredSequence | undefined>;

const NAME = /^[0-9a-f]{40}\.kv$/;

/**
 * Sequences in a folder, found by what a prompt begins with. Several processes may share the folder: each sees what
 * the others have written, and what is gone is gone.
 */
export class SequenceStore {
  readonly #options: SequenceStoreOptions;
  readonly #entries = new Map<string, Entry>();
  /** The folder's time of change when it was last read. */
  #seen = -1;
  #writing: { readonly sequence: StoredSequence; readonly done: Promise<void> } | undefined;

  /**
   * Makes the folder where there is none, and reads what is in it.
   * @throws UsageError where the folder cannot be used
   */
  static async open(options: SequenceStoreOptions): Promise<SequenceStore> {
    const store = new SequenceStore(options);
    const { folder } = options;
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
      await store.#look();
    } catch (cause) {
      throw new UsageError("SESSION_FOLDER", `The folder ${folder} cannot hold sessions: ${String(cause)}.`, {
        hint: "Name a folder that can be written.",
        cause,
      });
    }
    await store.#makeRoom(0);
    return store;
  }

  private constructor(options: SequenceStoreOptions) {
    this.#options = options;
  }

  /** Bytes of all files. */
  get bytes(): number {
    let sum = 0;
    for (const { bytes } of this.#entries.values()) sum += bytes;
    return sum;
  }

  /** The stored sequence that saves most tokens of a prompt, if it saves `atLeast` so many. */
  async find(prompt: readonly number[], most: number, atLeast: number): Promise<LoadSequence | undefined> {
    await this.#look().catch((error: unknown) => this.#tell({ type: "failed", error }));
    const { shape } = this.#options;
    let best: LoadSequence | undefined;
    let saved = atLeast - 1;
    const consider = (sequence: Entry["sequence"], load: LoadSequence) => {
      if (sequence === undefined) return;
      const tokens = reusableTokens(sequence, prompt, most, shape);
      if (tokens <= saved) return;
      saved = tokens;
      best = load;
    };
    const writing = this.#writing?.sequence;
    consider(writing, async () => writing);
    for (const { name, sequence } of this.#entries.values()) consider(sequence, () => this.#load(name));
    return best;
  }

  /**
   * Keeps a sequence: resolves when it can be found, while it is still being written. One is written at a time. What goes
   * wrong is told as an event: a text does not fail because it cannot be kept.
   */
  async save(sequence: Omit<StoredSequence, "key">): Promise<void> {
    await this.settle();
    const kept = { ...sequence, key: this.#options.key };
    const done = this.#write(kept)
      .catch((error: unknown) => this.#tell({ type: "failed", error }))
      .finally(() => {
        this.#writing = undefined;
      });
    this.#writing = { sequence: kept, done };
  }

  /** Resolves when nothing is being written. */
  async settle(): Promise<void> {
    await this.#writing?.done;
  }

  async #load(name: string): Promise<StoredSequence | undefined> {
    const path = this.#path(name);
    try {
      const sequence = await readSequence(path);
      const now = new Date();
      await utimes(path, now, now).catch(() => undefined);
      const entry = this.#entries.get(name);
      if (entry !== undefined) entry.used = now.getTime();
      this.#tell({ type: "restored", tokens: sequence.ids.length, bytes: entry?.bytes ?? 0 });
      return sequence;
    } catch (error) {
      await this.#refuse(name, error);
      return undefined;
    }
  }

  async #write(sequence: StoredSequence): Promise<void> {
    const { ids, written, key } = sequence;
    const bytes = sequenceFileBytes(sequence);
    const digest = createHash("sha256").update(key).update(ids);
    const name = `${digest.digest("hex").slice(0, 40)}.kv`;
    if (!(await this.#makeRoom(bytes, name))) {
      throw new Error(`${bytes} bytes for ${ids.length} tokens are over the folder's limit`);
    }
    await writeSequence(this.#path(name), sequence);
    this.#entries.set(name, { name, bytes, sequence: { ids, written }, used: Date.now() });
    this.#tell({ type: "saved", tokens: ids.length, bytes });
    for (const entry of [...this.#entries.values()]) {
      if (entry.name !== name && this.#replaces(sequence, entry)) await this.#remove(entry.name);
    }
  }

  /** Whether a sequence goes on where another ends, and can be taken back to there. */
  #replaces({ ids, written }: StoredSequence, { sequence: older }: Entry): boolean {
    if (older === undefined || older.ids.length > ids.length) return false;
    return (
      older.ids.every((id, i) => id === ids[i]) && canRewind(written, older.ids.length, this.#options.shape)
    );
  }

  /** Removes what was used longest ago until so many bytes fit. @returns whether they do */
  async #makeRoom(bytes: number, name?: string): Promise<boolean> {
    const { limitBytes } = this.#options;
    const others = [...this.#entries.values()].filter((entry) => entry.name !== name);
    let total = others.reduce((sum, entry) => sum + entry.bytes, bytes);
    if (bytes > limitBytes) return false;
    for (const entry of others.sort((a, b) => a.used - b.used)) {
      if (total <= limitBytes) break;
      await this.#remove(entry.name);
      this.#tell({ type: "evicted", bytes: entry.bytes });
      total -= entry.bytes;
    }
    return true;
  }

  /** Reads the folder where it has changed. */
  async #look(): Promise<void> {
    const { folder } = this.#options;
    const { mtimeMs } = await stat(folder);
    if (mtimeMs === this.#seen) return;
    const names = new Set((await readdir(folder)).filter((name) => NAME.test(name)));
    for (const name of this.#entries.keys()) if (!names.has(name)) this.#entries.delete(name);
    for (const name of names) if (!this.#entries.has(name)) await this.#meet(name);
    this.#seen = mtimeMs;
  }

  /** Reads what one file says of itself. */
  async #meet(name: string): Promise<void> {
    const { key, cacheBytes } = this.#options;
    try {
      const head = await readSequenceHead(this.#path(name));
      const { mtimeMs } = await stat(this.#path(name));
      const ours = head.key === key && head.cacheBytes === cacheBytes(head.ids.length);
      const sequence = ours ? { ids: head.ids, written: head.written } : undefined;
      this.#entries.set(name, { name, bytes: head.fileBytes, sequence, used: mtimeMs });
    } catch (error) {
      await this.#refuse(name, error);
    }
  }

  /** A file that is gone is forgotten, a damaged one removed. */
  async #refuse(name: string, error: unknown): Promise<void> {
    this.#entries.delete(name);
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    this.#tell({ type: "refused", error });
    await rm(this.#path(name), { force: true }).catch(() => undefined);
  }

  async #remove(name: string): Promise<void> {
    this.#entries.delete(name);
    await rm(this.#path(name), { force: true }).catch(() => undefined);
  }

  #path(name: string): string {
    return join(this.#options.folder, name);
  }

  #tell(event: StoreEvent): void {
    this.#options.onEvent?.(event);
  }
}
