import { describe, expect, it } from "vitest";
import {
  type DoneEvent,
  type GenerateOptions,
  generate,
  type TokenEvent,
} from "../../../../host/engine/generate.ts";
import { DeviceError, UsageError } from "../../../../host/errors.ts";
import { characterCodec, EOS, ScriptedSession } from "./fake-session.ts";

const GREEDY = { temperature: 0 } as const;

async function collect(
  session: ScriptedSession,
  options: GenerateOptions = GREEDY,
  prompt: string | readonly number[] = "Hi",
): Promise<{ tokens: TokenEvent[]; done: DoneEvent }> {
  const events = generate(session, characterCodec, prompt, options);
  const tokens: TokenEvent[] = [];
  for (;;) {
    const step = await events.next();
    if (step.done) return { tokens, done: step.value };
    tokens.push(step.value);
  }
}

describe("generate", () => {
  it("runs the prompt, then every token but the last, and ends with the end-of-sequence token", async () => {
    const session = new ScriptedSession("abc");
    const { tokens, done } = await collect(session);
    expect(session.calls).toEqual([
      "reset",
      "prefill 72,105",
      "decode 97",
      "decode 98",
      "decode 99",
      "reset",
    ]);
    expect(tokens.map(({ index, id, text }) => [index, id, text])).toEqual([
      [0, 97, "a"],
      [1, 98, "b"],
      [2, 99, "c"],
      [3, EOS, ""],
    ]);
    expect(done).toMatchObject({
      type: "done",
      reason: "eos",
      text: "abc",
      promptTokens: 2,
      completionTokens: 4,
    });
    expect(done.device).toEqual({ name: "fake", engine: "script", modelledDecodeTokensPerSecond: 500 });
    expect(done.timings.decodeTokensPerSecond).toBeGreaterThan(0);
  });

  it("reports no modelled rate where nothing was modelled", async () => {
    const session = new ScriptedSession("a", { modelled: false });
    const { done } = await collect(session);
    expect(done.device).toEqual({ name: "fake", engine: "script", modelledDecodeTokensPerSecond: null });
  });

  it("reports what the card drew, and tokens per joule, only where a sensor was read", async () => {
    const without = await collect(new ScriptedSession("abc"));
    expect(without.done.device).not.toHaveProperty("watts");
    expect(without.done.device).not.toHaveProperty("tokensPerJoule");
    const session = new ScriptedSession("abc", { stepMs: 2 });
    session.power = { watts: async () => 25 };
    const { done } = await collect(session);
    expect(done.device.watts).toBe(25);
    expect(done.device.tokensPerJoule).toBe(done.timings.decodeTokensPerSecond! / 25);
    session.power = { watts: async () => undefined };
    expect((await collect(session)).done.device).not.toHaveProperty("watts");
  });

  it("ends at the token limit without running the last token", async () => {
    const session = new ScriptedSession("abcdef");
    const { done } = await collect(session, { ...GREEDY, maxTokens: 2 });
    expect(done).toMatchObject({ reason: "length", text: "ab", completionTokens: 2 });
    expect(session.calls).not.toContain("decode 98");
  });

  it("reports no rate where only one token was sampled", async () => {
    const { done } = await collect(new ScriptedSession("abc"), { ...GREEDY, maxTokens: 1 });
    expect(done.timings.decodeTokensPerSecond).toBeNull();
  });

  it("ends where the session is full", async () => {
    const { done } = await collect(new ScriptedSession("abcdef", { maxPositions: 4 }));
    // Two prompt tokens, two completion tokens run, and one more sampled from the last logits.
    expect(done).toMatchObject({ reason: "length", text: "abc" });
  });

  it("cuts before a stop string that spans tokens, and shows none of it", async () => {
    const { tokens, done } = await collect(new ScriptedSession("abENx ENDrest"), {
      ...GREEDY,
      stop: ["END"],
    });
    expect(done).toMatchObject({ reason: "stop", text: "abENx " });
    expect(tokens.map((token) => token.text).join("")).toBe(done.text);
  });

  it("shows held back text when the sequence ends first", async () => {
    const { tokens, done } = await collect(new ScriptedSession("abEN"), { ...GREEDY, stop: ["END"] });
    expect(done).toMatchObject({ reason: "eos", text: "abEN" });
    expect(tokens.at(-1)).toMatchObject({ id: EOS, text: "EN" });
    const limited = await collect(new ScriptedSession("abENDx"), { ...GREEDY, stop: ["END"], maxTokens: 4 });
    expect(limited.done).toMatchObject({ reason: "length", text: "abEN" });
    expect(limited.tokens.at(-1)!.text).toBe("EN");
  });

  it("goes on past the end of sequence when told to", async () => {
    const { tokens, done } = await collect(new ScriptedSession("a"), {
      ...GREEDY,
      ignoreEos: true,
      maxTokens: 3,
    });
    expect(done.reason).toBe("length");
    expect(tokens.map(({ id }) => id)).toEqual([97, EOS, EOS]);
  });

  it("reports log probabilities with the tokens' text", async () => {
    const { tokens } = await collect(new ScriptedSession("a"), { ...GREEDY, logprobs: 2, maxTokens: 1 });
    // One logit of 10 and 127 of 0.
    const expected = 10 - Math.log(Math.exp(10) + 127);
    expect(tokens[0]!.logprob).toBeCloseTo(expected, 10);
    expect(tokens[0]!.topLogprobs!.map(({ id, text }) => [id, text])).toEqual([
      [97, "a"],
      [0, "\0"],
    ]);
    const { tokens: chosenOnly } = await collect(new ScriptedSession("a"), {
      ...GREEDY,
      logprobs: 0,
      maxTokens: 1,
    });
    expect(chosenOnly[0]).toHaveProperty("logprob");
    expect(chosenOnly[0]).not.toHaveProperty("topLogprobs");
  });

  it("counts the prompt for the repeat penalty", async () => {
    // 'a' leads by 10 to 0; a penalty cannot pass 0, so compare through two candidates.
    const session = new ScriptedSession("a");
    const { tokens } = await collect(
      session,
      { temperature: 0, repeatPenalty: 100, maxTokens: 1, logprobs: 0 },
      "a",
    );
    expect(tokens[0]!.id).toBe(97);
    const sampled = await collect(
      new ScriptedSession("a"),
      { temperature: 1, topK: 0, topP: 1, repeatPenalty: 100, maxTokens: 1, seed: 5 },
      "a",
    );
    // Without the penalty 'a' has 99 % of the mass, with it less than 1 %.
    expect(sampled.tokens[0]!.id).not.toBe(97);
  });

  it("reports a seed that repeats the text", async () => {
    const options = { temperature: 100, topK: 0, topP: 1, maxTokens: 10 } as const;
    const first = await collect(new ScriptedSession("abcdefghijkl"), options);
    const again = await collect(new ScriptedSession("abcdefghijkl"), { ...options, seed: first.done.seed });
    expect(again.tokens).toEqual(first.tokens);
  });

  it("is cancelled by the signal in the middle of a step", async () => {
    const session = new ScriptedSession("abcdef", { stepMs: 20 });
    const controller = new AbortController();
    const events = generate(session, characterCodec, "Hi", { ...GREEDY, signal: controller.signal });
    expect((await events.next()).value).toMatchObject({ text: "a" });
    const pending = events.next();
    controller.abort();
    expect(await pending).toMatchObject({
      done: true,
      value: { reason: "cancelled", text: "a", completionTokens: 1 },
    });
    expect(session.calls.at(-1)).toBe("reset");
  });

  it("is cancelled before the prompt where the signal has fired already", async () => {
    const session = new ScriptedSession("abc");
    const { done } = await collect(session, { ...GREEDY, signal: AbortSignal.abort() });
    expect(done).toMatchObject({ reason: "cancelled", completionTokens: 0 });
    expect(session.calls).toEqual(["reset", "reset"]);
  });

  it("resets the session when the caller leaves the loop", async () => {
    const session = new ScriptedSession("abc");
    for await (const token of generate(session, characterCodec, "Hi", GREEDY)) if (token.text === "b") break;
    expect(session.calls.at(-1)).toBe("reset");
    expect(session.calls).not.toContain("decode 99");
  });

  it("passes on what the device reports, after a reset", async () => {
    const session = new ScriptedSession("abc");
    session.decode = () => Promise.reject(new DeviceError("DEVICE_LOST", "gone"));
    await expect(collect(session)).rejects.toMatchObject({ code: "DEVICE_LOST" });
    expect(session.calls.at(-1)).toBe("reset");
  });

  it.each([
    ["an empty prompt", "", GREEDY, "EMPTY_PROMPT"],
    ["no ids", [], GREEDY, "EMPTY_PROMPT"],
    ["an id out of the vocabulary", [128], GREEDY, "BAD_TOKEN"],
    ["a prompt over the limit", "x".repeat(101), GREEDY, "PROMPT_TOO_LONG"],
    ["a setting out of range", "Hi", { topP: 1.5 }, "BAD_SETTING"],
    ["a fraction of a token", "Hi", { maxTokens: 1.5 }, "BAD_SETTING"],
  ])("refuses %s before anything runs", async (_, prompt, options, code) => {
    const session = new ScriptedSession("abc");
    const failure = collect(session, options, prompt);
    await expect(failure).rejects.toBeInstanceOf(UsageError);
    await expect(failure).rejects.toMatchObject({ code });
    expect(session.calls).toEqual([]);
  });

  it("says the numbers where a prompt is too long", async () => {
    await expect(collect(new ScriptedSession("a"), GREEDY, "x".repeat(101))).rejects.toThrow(
      /101 tokens.*at most 100/,
    );
  });
});
