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
