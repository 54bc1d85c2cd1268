import { expect } from "vitest";
import type { RewindableSession } from "../../../../host/engine/prefix-session.ts";
import type { CacheShape } from "../../../../host/engine/sequences/prefix.ts";

/** What a token at the end of `ids` attends to, in one number. */
export function seenFrom(ids: readonly number[], { sinks, window }: CacheShape): number {
  const last = ids.length - 1;
  return ids.reduce(
    (sum, id, p) => (p >= sinks && p <= last - window ? sum : (sum * 31 + (id + 1) * (p + 7)) % 8_388_593),
    0,
  );
}

/** Bytes of a ring's copy. */
export function cacheBytes(tokens: number, { sinks, ring }: CacheShape): number {
  return 8 * Math.min(tokens, sinks + ring);
}

/**
 * A device as it is: a ring of slots that remembers which position and token was written last. It knows nothing of
 * sequences; a token's logits are {@link seenFrom} of what lies in the slots that it attends to, and where a slot holds
 * another position than it should the test fails.
 */
export class RingSession implements RewindableSession {
  readonly deviceName = "ring";
  readonly engine = "ring";
  readonly maxPositions = 1_000_000;
  readonly ran: number[][] = [];
  position = 0;
  failAt: { tokens: number; error: Error } | undefined;
  #slots: { position: number; id: number }[] = [];
  readonly #shape: CacheShape;

  constructor(shape: CacheShape) {
    this.#shape = shape;
  }

  startAt(position: number): void {
    this.position = position;
  }

  reset(): void {
    this.position = 0;
  }

  async close(): Promise<void> {}

  async prefill(ids: readonly number[]): Promise<Float32Array> {
    return (await this.hiddenStates(ids, ids.length - 1))[0]!;
  }

  async hiddenStates(ids: readonly number[], from: number): Promise<Float32Array[]> {
    this.ran.push([...ids]);
    const states = ids.map((id, i) => {
      if (this.failAt?.tokens === i) throw this.failAt.error;
      return this.#step(id);
    });
    return states.slice(from);
  }

  async decode(id: number): Promise<Float32Array> {
    return this.prefill([id]);
  }

  /** Position and id of every slot, 8 bytes each. */
  readCache(tokens: number): Uint8Array {
    const used = this.#slots.slice(0, cacheBytes(tokens, this.#shape) / 8);
    return new Uint8Array(Uint32Array.from(used.flatMap(({ position, id }) => [position, id])).buffer);
  }

  writeCache(tokens: number, bytes: Uint8Array): void {
    expect(bytes.length).toBe(cacheBytes(tokens, this.#shape));
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    this.#slots = Array.from({ length: words.length / 2 }, (_, slot) => ({
      position: words[2 * slot]!,
      id: words[2 * slot + 1]!,
    }));
  }

  #step(id: number): Float32Array {
    const { sinks, window, ring } = this.#shape;
    const slot = (p: number) => (p < sinks ? p : sinks + ((p - sinks) % ring));
    const position = this.position++;
    this.#slots[slot(position)] = { position, id };
    const seen = Array.from({ length: position + 1 }, (_, p) => {
      if (p >= sinks && p <= position - window) return 0;
      const held = this.#slots[slot(p)];
      if (held?.position !== p) throw new Error(`slot of ${p} holds ${held?.position}`);
      return held.id;
    });
    return Float32Array.of(seenFrom(seen, this.#shape));
  }
}
