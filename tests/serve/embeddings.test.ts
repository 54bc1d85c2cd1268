import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadModel } from "../../host/engine/load.ts";
import {
  type DemoImage,
  emulatorBuilt,
  post,
  quantizeDemo,
  type RunningServer,
  startServer,
  until,
} from "./fixture.ts";

const TEXTS = ["Once upon a time", "The dog ran to the big tree.", "One day, Lily was sad."];

describe.skipIf(!emulatorBuilt)("embeddings, by the official openai client (need the emulator built)", () => {
  let image: DemoImage;
  let running: RunningServer;
  let client: OpenAI;
  const expected: Float32Array[] = [];
  beforeAll(async () => {
    image = await quantizeDemo();
    running = await startServer(image.path);
    client = new OpenAI({ baseURL: `${running.url}/v1`, apiKey: "none", maxRetries: 0 });
    const model = await loadModel(image.path);
    for (const text of TEXTS) expected.push(await model.embed(text));
    await model.close();
  });
  afterAll(async () => {
    await running.server.close(1_000);
  });

  it("are the library's, as the client asks for them and as numbers", async () => {
    for (const encoding_format of [undefined, "base64", "float"] as const) {
      const answer = await client.embeddings.create({
        model: "demo",
        input: TEXTS,
        ...(encoding_format && { encoding_format }),
      });
      expect(answer.data.map(({ index }) => index)).toEqual([0, 1, 2]);
      const vectors = answer.data.map(({ embedding }) =>
        // Asked for base64 by its caller, the client hands it on.
        typeof embedding === "string" ? decoded(embedding) : Float32Array.from(embedding as number[]),
      );
      expect(vectors).toEqual(expected);
      expect(answer.usage.prompt_tokens).toBe(answer.usage.total_tokens);
      expect(answer.usage.prompt_tokens).toBeGreaterThan(15);
    }
    for (const vector of expected) expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
    expect(expected[0]).not.toEqual(expected[1]);
  });

  it("do not depend on what was asked before, and take token ids", async () => {
    const tokens = async (content: string) =>
      (
        (await (await post(`${running.url}/tokenize`, { content, add_special: true })).json()) as {
          tokens: number[];
        }
      ).tokens;
    const input = await Promise.all([TEXTS[1]!, TEXTS[0]!].map(tokens));
    const answer = await client.embeddings.create({ model: "demo", input, encoding_format: "float" });
    expect(answer.data.map(({ embedding }) => Float32Array.from(embedding))).toEqual([
      expected[1],
      expected[0],
    ]);
  });

  it("of the mean differ from those of the last token", async () => {
    const body = { model: "demo", input: TEXTS[0], pooling: "mean" };
    const answer = (await (await post(`${running.url}/v1/embeddings`, body)).json()) as {
      data: [{ embedding: number[] }];
    };
    const model = await loadModel(image.path);
    expect(Float32Array.from(answer.data[0].embedding)).toEqual(
      await model.embed(TEXTS[0]!, { pooling: "mean" }),
    );
    await model.close();
  });

  it("of many texts leave room for others in between", async () => {
    const many = client.embeddings.create({ model: "demo", input: Array.from({ length: 200 }, String) });
    let done = false;
    void many.then(() => {
      done = true;
    });
    const short = await client.completions.create({ model: "demo", prompt: "Once", max_tokens: 1 });
    expect(short.choices).toHaveLength(1);
    expect(done).toBe(false);
    expect((await many).data).toHaveLength(200);
  });

  it("end where the client goes away", async () => {
    const stop = new AbortController();
    const answer = fetch(`${running.url}/v1/embeddings`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "demo", input: Array.from({ length: 2_000 }, String) }),
      signal: stop.signal,
    });
    const ended = expect(answer).rejects.toThrow();
    const { queue } = running.server.service;
    while (!queue.running) await new Promise((resolve) => setTimeout(resolve, 1));
    stop.abort();
    await ended;
    await queue.idle();
    await until(() => running.logged.join("").includes('"path":"/v1/embeddings","status":499'));
  });

  it.each([
    ["no input", { input: [] }, "input"],
    ["an empty text", { input: ["a", ""] }, "input"],
    ["a text over the window", { input: "one two ".repeat(5_000) }, "input"],
    ["a token that there is not", { input: [99_999] }, "input"],
    ["other dimensions", { input: "a", dimensions: 7 }, "dimensions"],
    ["a pooling that there is not", { input: "a", pooling: "first" }, "pooling"],
    ["more texts than OpenAI allows", { input: Array.from({ length: 2_049 }, () => "a") }, "input"],
    ["a field that there is not", { input: "a", normalize: false }, "normalize"],
  ])("refuse %s", async (_, fields, param) => {
    const response = await post(`${running.url}/v1/embeddings`, { model: "demo", ...fields });
    expect(response.status).toBe(400);
    expect(((await response.json()) as { error: { param: string } }).error.param).toBe(param);
  });
});

function decoded(base64: string): Float32Array {
  const bytes = Uint8Array.from(Buffer.from(base64, "base64"));
  return new Float32Array(bytes.buffer);
}
