import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PrefixSession } from "../../../../host/engine/prefix-session.ts";
import { DeviceError, InterruptedError } from "../../../../host/errors.ts";
import { RingSession, seenFrom } from "./ring-session.ts";

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

  it("is right for any history (random texts, the logits tell what was seen)", async () => {
    let seed = 1;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return (seed >>> 8) % below;
    };
    for (let round = 0; round < 400; round++) {
      const prompt = Array.from({ length: 1 + random(12) }, (_, i) => (random(4) === 0 ? random(3) : i % 3));
      expect((await session.prefill(prompt))[0]).toBe(seenFrom(prompt, shape));
      for (let i = random(30); i > 0; i--) {
        prompt.push(random(3));
        expect((await session.decode(prompt.at(-1)!))[0]).toBe(seenFrom(prompt, shape));
      }
      session.reset();
    }
  });

  it("refuses a prompt over the window, or runs it in parts where that is wanted", async () => {
    await expect(session.prefill(text(13))).rejects.toMatchObject({ code: "PROMPT_TOO_LONG" });
    const long = new PrefixSession(device, { ...shape, longPrompts: true });
    expect(await long.prefill(text(30))).toEqual(Float32Array.of(seenFrom(text(30), shape)));
    expect(device.ran.map(({ length }) => length)).toEqual([12, 12, 6]);
  });

  it("gives hidden states of the tokens that are asked for, from the cache what can be", async () => {
    await session.prefill([1, 2, 3, 4, 5]);
    const states = await session.hiddenStates([1, 2, 3, 9, 9], 3);
    expect(device.ran.at(-1)).toEqual([9, 9]);
    expect(states.map(([value]) => value)).toEqual(
      [
        [1, 2, 3, 9],
        [1, 2, 3, 9, 9],
      ].map((ids) => seenFrom(ids, shape)),
    );
    // All of them are asked for: all are run.
    expect(await session.hiddenStates([1, 2, 3], 0)).toHaveLength(3);
    expect(device.ran.at(-1)).toEqual([1, 2, 3]);
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
