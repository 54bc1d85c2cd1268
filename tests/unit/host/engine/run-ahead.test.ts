import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  type DoneEvent,
  type GenerateOptions,
  generate,
  type TextCodec,
  type TokenEvent,
} from "../../../../host/engine/generate.ts";
import { PrefixSession } from "../../../../host/engine/prefix-session.ts";
import { RunAhead } from "../../../../host/engine/run-ahead.ts";
import { DeviceError } from "../../../../host/errors.ts";
import { characterCodec, ScriptedSession } from "./fake-session.ts";
import { RingSession, seenFrom } from "./ring-session.ts";

const GREEDY = { temperature: 0 } as const;
const begin = (session: ScriptedSession, options: GenerateOptions = GREEDY) =>
  generate(session, characterCodec, "Hi", options);
/** What has been run after the prompt, as text. */
const decoded = ({ calls }: ScriptedSession) =>
  calls
    .flatMap((call) => (call.startsWith("decode ") ? [String.fromCharCode(Number(call.slice(7)))] : []))
    .join("");
const next = async (events: AsyncGenerator<TokenEvent, DoneEvent>) => (await events.next()).value;
const turn = () => new Promise((resolve) => setTimeout(resolve, 1));

describe("a token's run, ahead of what the caller does with it", () => {
  it("is under way when the caller gets the token, with and without stop strings", async () => {
    for (const stop of [[], ["zz"]]) {
      const session = new ScriptedSession("abc", { stepMs: 1 });
      const events = begin(session, { ...GREEDY, stop });
      expect(await next(events)).toMatchObject({ text: "a" });
      expect([decoded(session), session.busy]).toEqual(["a", true]);
      await turn();
      expect(await next(events)).toMatchObject({ text: "b" });
      expect([decoded(session), session.busy]).toEqual(["ab", true]);
      await events.return(undefined as never);
    }
  });

  it.each<[string, string, GenerateOptions, string]>([
    ["the limit", "abcdef", { maxTokens: 3 }, "ab"],
    ["the end-of-sequence token", "ab", {}, "ab"],
    ["a stop string", "abENDx", { stop: ["END"] }, "abEN"],
    ["a stop string at the limit", "abENDx", { stop: ["END"], maxTokens: 5 }, "abEN"],
    ["a stop string that the first token is", "Xab", { stop: ["X"] }, ""],
    ["a whole text by its grammar", "ab]x", { constraint: untilBracket() }, "ab"],
  ])("is not made of the last token: %s", async (_, script, options, expected) => {
    const session = new ScriptedSession(script, { stepMs: 1 });
    const events = begin(session, { ...GREEDY, ...options });
    while (!(await events.next()).done) await turn();
    expect(decoded(session)).toBe(expected);
    expect(session.calls.at(-1)).toBe("reset");
  });

  it("is not made of the token that fills the session", async () => {
    const session = new ScriptedSession("abcdef", { maxPositions: 4 });
    const events = begin(session);
    while (!(await events.next()).done);
    expect(decoded(session)).toBe("ab");
  });

  it("ends by the signal that fires while the caller has the token, before the session is reset", async () => {
    const session = new ScriptedSession("abc", { stepMs: 60_000 });
    const stop = new AbortController();
    session.prefill = quickly(session);
    const events = begin(session, { ...GREEDY, signal: stop.signal });
    await next(events);
    expect(session.busy).toBe(true);
    stop.abort();
    // The fake refuses to be reset beneath a run.
    expect(await next(events)).toMatchObject({ reason: "cancelled", text: "a", completionTokens: 1 });
    expect([session.busy, session.calls.at(-1)]).toEqual([false, "reset"]);
  });

  it("is not begun where the signal has fired by then; the token is told", async () => {
    const session = new ScriptedSession("abc");
    const stop = new AbortController();
    const constraint = { restrict: () => {}, accept: () => stop.abort(), complete: false };
    const events = begin(session, { ...GREEDY, constraint, signal: stop.signal });
    expect(await next(events)).toMatchObject({ type: "token", text: "a" });
    expect(await next(events)).toMatchObject({ reason: "cancelled", text: "a" });
    expect(decoded(session)).toBe("");
  });

  it("is waited for where the caller leaves, and its failure is nobody's", async () => {
    for (const error of [undefined, new DeviceError("NON_FINITE", "not a number")]) {
      const session = new ScriptedSession("abc", { stepMs: 5 });
      const decode = session.decode.bind(session);
      session.decode = async (id, signal) => {
        const logits = await decode(id, signal);
        if (error !== undefined) throw error;
        return logits;
      };
      for await (const _ of begin(session)) break;
      expect([decoded(session), session.busy, session.calls.at(-1)]).toEqual(["a", false, "reset"]);
    }
  });

  it("tells its failure at the step after its token, however long the caller takes", async () => {
    const session = new ScriptedSession("abc");
    const decode = session.decode.bind(session);
    session.decode = async (id, signal) => {
      await decode(id, signal);
      throw new DeviceError("DEVICE_LOST", "gone");
    };
    const events = begin(session);
    expect(await next(events)).toMatchObject({ text: "a" });
    // Node.js would end the process for a rejection that nobody looks at.
    await turn();
    await turn();
    await expect(events.next()).rejects.toMatchObject({ code: "DEVICE_LOST" });
    expect(session.calls.at(-1)).toBe("reset");
  });

  it("ends before what the text side throws is passed on", async () => {
    const session = new ScriptedSession("abc", { stepMs: 5 });
    const decoder = () => ({
      push: () => {
        throw new RangeError("no text");
      },
      flush: () => "",
    });
    const events = generate(session, { ...characterCodec, decoder }, "Hi", GREEDY);
    await expect(events.next()).rejects.toThrow("no text");
    expect([session.busy, session.calls.at(-1)]).toEqual([false, "reset"]);
  });
});

describe("texts in turns on one cache, some of them left early", () => {
  const shape = { sinks: 2, window: 10, ring: 25 };

  /** A device whose next token follows from all that the last one attends to. */
  class TellingRing extends RingSession {
    override async prefill(ids: readonly number[]): Promise<Float32Array> {
      return tell((await super.prefill(ids))[0]!);
    }

    override async decode(id: number): Promise<Float32Array> {
      return this.prefill([id]);
    }
  }
  const tell = (seen: number) => Float32Array.from({ length: 7 }, (_, id) => (id === seen % 7 ? 1 : 0));
  const codec: TextCodec = { ...characterCodec, vocabSize: 7, eosIds: [] };

  it("each go on as they would alone", async () => {
    const session = new PrefixSession(new TellingRing(shape), shape);
    const texts = [
      [1, 2, 3],
      [1, 2, 4],
    ];
    for (let round = 0; round < 60; round++) {
      const text = texts[round % 2]!;
      if (text.length > 11) text.splice(0, text.length, round % 7, 2, round % 3);
      let left = (round * 5) % 8;
      for await (const { id } of generate(session, codec, text, { ...GREEDY, maxTokens: 6 })) {
        expect(id).toBe(seenFrom(text, shape) % 7);
        text.push(id);
        if (left-- === 0) break;
      }
    }
  });

  it("leave the token in the cache that was told last: nothing of it is run again", async () => {
    const device = new TellingRing(shape);
    const session = new PrefixSession(device, shape);
    const ids = [1, 2, 3];
    for await (const { id } of generate(session, codec, ids, GREEDY)) {
      ids.push(id);
      if (ids.length === 5) break;
    }
    expect([session.position, session.cachedTokens]).toEqual([0, 5]);
    for await (const _ of generate(session, codec, [...ids, 6], GREEDY)) break;
    expect(device.ran.slice(0, 4)).toEqual([[1, 2, 3], [ids[3]], [ids[4]], [6]]);
  });
});

describe("the time of decoding", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("is that of the runs: what the caller takes meanwhile costs nothing, and what it takes after their end is its own", async () => {
    for (const caller of [0, 3, 20, 500]) {
      const session = new ScriptedSession("abcdef", { stepMs: 20 });
      const events = begin(session, { ...GREEDY, maxTokens: 5 });
      let left = 20;
      for (;;) {
        const step = events.next();
        await vi.advanceTimersByTimeAsync(left);
        const { done, value } = await step;
        if (done) {
          expect(value.timings.prefillSeconds).toBeCloseTo(0.02, 9);
          expect(value.timings.decodeSeconds).toBeCloseTo(4 * 0.02, 9);
          break;
        }
        await vi.advanceTimersByTimeAsync(caller);
        left = Math.max(0, 20 - caller);
      }
    }
  });

  it("ends with the run", async () => {
    let finish = () => {};
    const ahead = new RunAhead(
      new Promise((resolve) => {
        finish = () => resolve(new Float32Array());
      }),
    );
    const start = performance.now();
    vi.advanceTimersByTime(7);
    expect(ahead.end() - start).toBe(7);
    finish();
    await ahead.settled;
    vi.advanceTimersByTime(100);
    expect(ahead.end() - start).toBe(7);
  });
});

/** A grammar that a bracket ends. */
function untilBracket() {
  const constraint = {
    restrict: () => {},
    accept: (id: number) => {
      constraint.complete = id === "]".charCodeAt(0);
    },
    complete: false,
  };
  return constraint;
}

/** The session's own prefill, without its time. */
function quickly(session: ScriptedSession): ScriptedSession["prefill"] {
  const quick = new ScriptedSession("abc");
  return async (ids, signal) => {
    session.calls.push("prefill");
    return quick.prefill(ids, signal);
  };
}
