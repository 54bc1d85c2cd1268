import { describe, expect, it } from "vitest";
import { Model } from "../../../../host/engine/model.ts";
import { characterCodec, ScriptedSession } from "./fake-session.ts";

const GREEDY = { temperature: 0 } as const;

describe("Model", () => {
  it("generates again and again", async () => {
    const model = new Model(new ScriptedSession("abc"), characterCodec, {});
    for (let round = 0; round < 2; round++) {
      let text = "";
      for await (const token of model.generate("Hi", GREEDY)) text += token.text;
      expect(text).toBe("abc");
    }
  });

  it("refuses a second generation while one runs, and allows it when the first was left", async () => {
    const model = new Model(new ScriptedSession("abc"), characterCodec, {});
    for await (const _ of model.generate("Hi", GREEDY)) {
      await expect(model.generate("Hi", GREEDY).next()).rejects.toMatchObject({ code: "MODEL_BUSY" });
      break;
    }
    expect((await model.generate("Hi", GREEDY).next()).value).toMatchObject({ text: "a" });
  });

  it("embeds a text between others, and not beneath one", async () => {
    const session = new ScriptedSession("abc");
    const model = new Model(session, characterCodec, {});
    for await (const _ of model.generate("Hi", GREEDY)) {
      await expect(model.embed("Hi")).rejects.toMatchObject({ code: "MODEL_BUSY" });
      break;
    }
    // The fake's hidden states are the token and its position.
    expect(await model.embed("aab", { normalize: false })).toEqual(Float32Array.of(98, 2));
    expect(await model.embed("ab", { pooling: "mean" })).toEqual(
      Float32Array.of(97.5, 0.5).map((x) => x / Math.hypot(97.5, 0.5)),
    );
    expect(session.calls.at(-1)).toBe("reset");
    await model.close();
    await expect(model.embed("Hi")).rejects.toMatchObject({ code: "MODEL_CLOSED" });
  });

  it("ends an embedding when it is closed", async () => {
    const model = new Model(new ScriptedSession("abc", { stepMs: 10_000 }), characterCodec, {});
    const embedding = model.embed("Hi");
    const ended = expect(embedding).rejects.toMatchObject({ code: "INTERRUPTED" });
    await model.close();
    await ended;
  });

  it("closes the session once, and not beneath a step", async () => {
    const session = new ScriptedSession("abc", { stepMs: 20 });
    const model = new Model(session, characterCodec, {});
    const pending = model.generate("Hi", GREEDY).next();
    await Promise.all([model.close(), model.close()]);
    expect(session.calls.filter((call) => call === "close")).toHaveLength(1);
    expect(await pending).toMatchObject({ done: true, value: { reason: "cancelled" } });
    await expect(model.generate("Hi").next()).rejects.toMatchObject({ code: "MODEL_CLOSED" });
  });

  it("ends the loop that closes it", async () => {
    const session = new ScriptedSession("abc");
    await using model = new Model(session, characterCodec, {});
    const seen: string[] = [];
    for await (const token of model.generate("Hi", GREEDY)) {
      seen.push(token.text);
      await model.close();
    }
    expect(seen).toEqual(["a"]);
    expect(session.calls.at(-1)).toBe("close");
  });
});
