import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadModel } from "../../host/engine/load.ts";
import { type DemoImage, emulatorBuilt, quantizeDemo, type RunningServer, startServer } from "./fixture.ts";

const PROMPT = "Once upon a time";

describe.skipIf(!emulatorBuilt)("the official openai client, unchanged (needs the emulator built)", () => {
  let image: DemoImage;
  let running: RunningServer;
  let client: OpenAI;
  beforeAll(async () => {
    image = await quantizeDemo();
    running = await startServer(image.path, { apiKey: "secret", maxTokens: 300 });
    client = new OpenAI({ baseURL: `${running.url}/v1`, apiKey: "secret", maxRetries: 0 });
  });
  afterAll(async () => {
    await running.server.close(1_000);
  });

  /** What the library gives for the same settings, which is what the server has to give. */
  async function byLibrary(options: Parameters<Awaited<ReturnType<typeof loadModel>>["generate"]>[1]) {
    const model = await loadModel(image.path);
    try {
      const events = model.generate(PROMPT, options);
      const tokens = [];
      for (;;) {
        const { value, done } = await events.next();
        if (done) return { tokens, done: value };
        tokens.push(value);
      }
    } finally {
      await model.close();
    }
  }

  it("lists the model", async () => {
    const models = await client.models.list();
    expect(models.data.map(({ id }) => id)).toEqual(["demo"]);
    expect((await client.models.retrieve("demo")).owned_by).toBe("accllm");
  });

  it("completes a prompt as the library does, with its log probabilities", async () => {
    const settings = { temperature: 0.9, topK: 0, topP: 1, seed: 5, maxTokens: 24 };
    const wanted = await byLibrary({ ...settings, logprobs: 2 });
    const answer = await client.completions.create({
      model: "demo",
      prompt: PROMPT,
      max_tokens: 24,
      temperature: 0.9,
      seed: 5,
      logprobs: 2,
    });
    const [choice] = answer.choices;
    expect(choice!.text).toBe(wanted.done.text);
    expect(choice!.finish_reason).toBe("length");
    expect(choice!.logprobs!.token_logprobs).toEqual(wanted.tokens.map(({ logprob }) => logprob));
    expect(choice!.logprobs!.tokens!.join("")).toBe(wanted.done.text);
    for (const [i, offset] of choice!.logprobs!.text_offset!.entries()) {
      expect(choice!.text.slice(offset)).toBe(choice!.logprobs!.tokens!.slice(i).join(""));
    }
    expect(Object.keys(choice!.logprobs!.top_logprobs![0]!)).toHaveLength(2);
    expect(answer.usage).toMatchObject({ prompt_tokens: 5, completion_tokens: 24, total_tokens: 29 });
  });

  it("streams the same text that it gives at once, and the usage at the end", async () => {
    const request = { model: "demo", prompt: PROMPT, max_tokens: 40, seed: 9 } as const;
    const whole = await client.completions.create(request);
    const stream = await client.completions.create({
      ...request,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    const reasons: string[] = [];
    let usage: unknown;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.text ?? "";
      if (chunk.choices[0]?.finish_reason) reasons.push(chunk.choices[0].finish_reason);
      usage = chunk.usage ?? usage;
    }
    expect(text).toBe(whole.choices[0]!.text);
    expect(reasons).toEqual(["length"]);
    expect(usage).toMatchObject({ prompt_tokens: 5, completion_tokens: 40 });
  });

  it("takes token ids as the prompt", async () => {
    const { tokens } = (await (
      await fetch(`${running.url}/tokenize`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: "Bearer secret" },
        body: JSON.stringify({ content: PROMPT, add_special: true }),
      })
    ).json()) as { tokens: number[] };
    const request = { model: "demo", max_tokens: 8, temperature: 0 } as const;
    const byIds = await client.completions.create({ ...request, prompt: tokens });
    const byText = await client.completions.create({ ...request, prompt: PROMPT });
    expect(byIds.choices[0]!.text).toBe(byText.choices[0]!.text);
    // All but the last token of the prompt was in the cache.
    expect(byText.usage!.prompt_tokens_details!.cached_tokens).toBe(tokens.length - 1);
  });

  it("chats: history, stop strings, reuse of what was said", async () => {
    const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: PROMPT }];
    const first = await client.chat.completions.create({
      model: "demo",
      messages,
      max_completion_tokens: 30,
      temperature: 0,
      stop: ["named"],
    });
    const said = first.choices[0]!.message.content!;
    expect(first.choices[0]!.finish_reason).toBe("stop");
    expect(said).not.toContain("named");
    expect(said.length).toBeGreaterThan(4);
    messages.push(
      { role: "assistant", content: said },
      { role: "user", content: [{ type: "text", text: "He was sad." }] },
    );
    const second = await client.chat.completions.create({ model: "demo", messages, max_tokens: 5 });
    expect(second.usage!.prompt_tokens_details!.cached_tokens).toBeGreaterThan(4);
  });

  it("streams a chat with log probabilities, whose bytes are the text", async () => {
    const stream = client.chat.completions.stream({
      model: "demo",
      messages: [{ role: "user", content: PROMPT }],
      max_tokens: 20,
      seed: 3,
      logprobs: true,
      top_logprobs: 3,
    });
    const answer = await stream.finalChatCompletion();
    const [choice] = answer.choices;
    const tokens = choice!.logprobs!.content!;
    expect(tokens).toHaveLength(20);
    expect(Buffer.from(tokens.flatMap(({ bytes }) => bytes!)).toString()).toBe(choice!.message.content);
    for (const { top_logprobs } of tokens) {
      expect(top_logprobs).toHaveLength(3);
      const sum = top_logprobs.reduce((all, { logprob }) => all + Math.exp(logprob), 0);
      expect(sum).toBeLessThanOrEqual(1 + 1e-9);
    }
  });

  it("writes a JSON object when it is asked for one", async () => {
    for (const seed of [1, 2, 3, 4]) {
      const answer = await client.chat.completions.create({
        model: "demo",
        messages: [{ role: "user", content: "The girl's name and age:" }],
        response_format: { type: "json_object" },
        max_tokens: 300,
        temperature: 0.3,
        seed,
      });
      const [choice] = answer.choices;
      const content = choice!.message.content!;
      if (choice!.finish_reason === "stop") expect(JSON.parse(content)).toBeTypeOf("object");
      else expect(content.trimStart()).toMatch(/^\{/);
    }
  });

  it("stops an answer when the client goes away", async () => {
    const before = running.server.service.queue.running;
    expect(before).toBe(false);
    const stream = await client.completions.create({
      model: "demo",
      prompt: PROMPT,
      max_tokens: 300,
      stream: true,
    });
    for await (const _ of stream) break;
    await running.server.service.queue.idle();
    const metrics = await (
      await fetch(`${running.url}/metrics`, { headers: { authorization: "Bearer secret" } })
    ).text();
    expect(metrics).toMatch(/accllm_running 0/);
    expect(metrics).toMatch(/accllm_kernel_cycles_total\{source="modelled",operation="matmul"\} [1-9]/);
    expect(running.logged.join("")).toContain("client_closed_request");
  });

  it.each([
    ["a wrong key", 401, (c: OpenAI) => c.withOptions({ apiKey: "other" }).models.list()],
    ["an unknown model", 404, (c: OpenAI) => c.completions.create({ model: "gpt-4", prompt: "x" })],
    ["several answers", 400, (c: OpenAI) => c.completions.create({ model: "demo", prompt: "x", n: 2 })],
    ["an empty prompt", 400, (c: OpenAI) => c.completions.create({ model: "demo", prompt: "" })],
    [
      "too many tokens",
      400,
      (c: OpenAI) => c.completions.create({ model: "demo", prompt: "x", max_tokens: 301 }),
    ],
    [
      "a prompt over the window",
      400,
      (c: OpenAI) => c.completions.create({ model: "demo", prompt: "one two ".repeat(1000) }),
    ],
    [
      "a token that there is not",
      400,
      (c: OpenAI) => c.completions.create({ model: "demo", prompt: [1, 99_999] }),
    ],
    [
      "tools",
      400,
      (c: OpenAI) =>
        c.chat.completions.create({
          model: "demo",
          messages: [{ role: "user", content: "x" }],
          tools: [{ type: "function", function: { name: "f" } }],
        }),
    ],
  ])("refuses %s with %i and says why", async (_, status, call) => {
    const failure = await call(client).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(OpenAI.APIError);
    expect((failure as InstanceType<typeof OpenAI.APIError>).status).toBe(status);
    expect((failure as Error).message.length).toBeGreaterThan(15);
    expect((failure as Error).message).not.toContain(image.path);
  });
});
