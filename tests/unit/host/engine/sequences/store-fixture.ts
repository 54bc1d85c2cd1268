import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PrefixSession } from "../../../../../host/engine/prefix-session.ts";
import {
  SequenceStore,
  type SequenceStoreOptions,
  type StoreEvent,
} from "../../../../../host/engine/sequences/sequence-store.ts";
import { cacheBytes, RingSession } from "../ring-session.ts";

export const shape = { sinks: 2, window: 40, ring: 55 };
export const KEY = "a".repeat(64);

/** Tokens first, first + 1, ... */
export const text = (length: number, first = 0) => Array.from({ length }, (_, i) => first + i);

/** Programs that use one folder, each with a device of its own. */
export class Programs {
  readonly folder: string;
  readonly events: StoreEvent[] = [];
  readonly #stores: SequenceStore[] = [];

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async make(): Promise<Programs> {
    return new Programs(await mkdtemp(join(tmpdir(), "accllm-sequences-")));
  }

  async store(options: Partial<SequenceStoreOptions> = {}): Promise<SequenceStore> {
    const store = await SequenceStore.open({
      folder: this.folder,
      limitBytes: 1_000_000,
      key: KEY,
      shape,
      cacheBytes: (tokens) => cacheBytes(tokens, shape),
      onEvent: (event) => void this.events.push(event),
      ...options,
    });
    this.#stores.push(store);
    return store;
  }

  /** A program that has just been started. */
  async start(options: Partial<SequenceStoreOptions> = {}) {
    const device = new RingSession(shape);
    const store = await this.store(options);
    return { device, store, session: new PrefixSession(device, { ...shape, longPrompts: true, store }) };
  }

  files(): Promise<string[]> {
    return readdir(this.folder);
  }

  count(type: StoreEvent["type"]): number {
    return this.events.filter((event) => event.type === type).length;
  }

  /** Waits for what is still being written, which would put files into a folder that is being removed. */
  async remove(): Promise<void> {
    await Promise.all(this.#stores.map((store) => store.settle()));
    await rm(this.folder, { recursive: true, force: true });
  }
}
