import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PrefixSession } from "../../../../host/engine/prefix-session.ts";
import { DeviceError, InterruptedError } from "../../../../host/errors.ts";

/**
 * A device as it is: a ring of slots that remembers which position and token was written last, and that fails the
 * test where a token would see a slot that holds anything else than its sequence.
 */
class RingSession {
  readonly deviceName = "ring";
  readonly engine = "ring";
  readonly maxPositions = 1_000_000;
  readonly ran: number[][] = [];
  position = 0;
  failAt: { tokens: number; error: Error } | undefined;
  readonly #slots = new Map<number, { position: number; id: number }>();
  readonly #sequence: number[] = [];
  readonly #shape: { sinks: number; window: number; ring: number };

  constructor(shape: { sinks: number; window: number; ring: number }) {
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
    this.ran.push([...ids]);
    const { sinks, window, ring } = this.#shape;
    for (const [i, id] of ids.entries()) {
      if (this.failAt?.tokens === i) throw this.failAt.error;
      const position = this.position++;
      const slot = (p: number) => (p < sinks ? p : sinks + ((p - sinks) % ring));
      this.#slots.set(slot(position), { position, id });
      this.#sequence[position] = id;
      for (let p = 0; p <= position; p++) {
        if (p >= sinks && p <= position - window) continue;
        expect(this.#slots.get(slot(p))).toEqual({ position: p, id: this.#sequence[p] });
      }
    }
    return Float32Array.of(ids.at(-1)!);
  }

  async decode(id: number): Promise<Float32Array> {
    return this.prefill([id]);
  }
}

const shape = { sinks: 2, window: 10, ring: 25 };
let device: RingSession;
let session: PrefixSession;
beforeEach(() => {
  device = new RingSession(shape);
  session = new PrefixSession(device, shape);
});
afterEach(() => session.close());

const text = (length: number, first = 0) => Array.from({ length }, (_, i) => first + i);

describe("PrefixSession", () => {
  it("runs what is new only, and always the last token", async () => {
    await session.prefill([1, 2, 3, 4]);
    await session.prefill([1, 2, 3, 4]);
    await session.prefill([1, 2, 9, 9, 9]);
    expect(device.ran).toEqual([[1, 2, 3, 4], [4], [9, 9, 9]]);
    expect(session.reusedTokens).toBe(2);
    expect(session.cachedTokens).toBe(5);
  });

  it("counts generated tokens as part of the sequence", async () => {
    await session.prefill([1, 2]);
    await session.decode(3);
    await session.decode(4);
    session.reset();
    await session.prefill([1, 2, 3, 4, 5]);
    expect(device.ran.at(-1)).toEqual([5]);
  });

  it("does not go back to what the ring has overwritten", async () => {
    await session.prefill(text(5));
    for (let id = 5; id < 60; id++) await session.decode(id);
    // The beginning is there in full, but what the window needs behind it is not.
    await session.prefill(text(11));
    expect(device.ran.at(-1)).toEqual(text(11));
    expect(session.reusedTokens).toBe(0);
  });

  it("is right for any history (random texts, the device checks every slot)", async () => {
    let seed = 1;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return (seed >>> 8) % below;
    };
    for (let round = 0; round < 400; round++) {
      const prompt = Array.from({ length: 1 + random(12) }, (_, i) => (random(4) === 0 ? random(3) : i % 3));
      await session.prefill(prompt);
      for (let i = random(30); i > 0; i--) await session.decode(random(3));
      session.reset();
    }
  });

  it("refuses a prompt over the window, or runs it in parts where that is wanted", async () => {
    await expect(session.prefill(text(13))).rejects.toMatchObject({ code: "PROMPT_TOO_LONG" });
    const long = new PrefixSession(device, { ...shape, longPrompts: true });
    expect(await long.prefill(text(30))).toEqual(Float32Array.of(29));
    expect(device.ran.map(({ length }) => length)).toEqual([12, 12, 6]);
  });

  it("keeps what ran before an interruption", async () => {
    device.failAt = { tokens: 3, error: new InterruptedError() };
    await expect(session.prefill(text(6))).rejects.toThrow(InterruptedError);
    device.failAt = undefined;
    await session.prefill(text(6));
    expect(device.ran.at(-1)).toEqual([3, 4, 5]);
  });

  it("trusts nothing after a fault of the device", async () => {
    await session.prefill(text(4));
    device.failAt = { tokens: 0, error: new DeviceError("LOST", "lost") };
    await expect(session.decode(4)).rejects.toThrow(DeviceError);
    device.failAt = undefined;
    expect(session.cachedTokens).toBe(0);
    await session.prefill(text(5));
    expect(device.ran.at(-1)).toEqual(text(5));
  });
});
