import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type DemoImage,
  emulatorBuilt,
  post,
  quantizeDemo,
  type RunningServer,
  startServer,
  until,
} from "./fixture.ts";

/** A connection of our own making: sends the parts and gives what comes back until it is closed. */
function raw(port: number, parts: readonly (string | Uint8Array)[]): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk.toString("latin1");
    });
    socket.on("error", () => resolve(answer));
    socket.on("close", () => resolve(answer));
    for (const part of parts) socket.write(part);
  });
}

const request = (headers: string) => `POST /v1/completions HTTP/1.1\r\nHost: x\r\n${headers}\r\n`;

describe.skipIf(!emulatorBuilt)("hostile requests (needs the emulator built)", () => {
  let image: DemoImage;
  let running: RunningServer;
  beforeAll(async () => {
    image = await quantizeDemo();
    running = await startServer(image.path, { queueLimit: 2, unreadBytes: 50_000, corsOrigins: [] });
  });
  afterAll(async () => {
    await running.server.close(1_000);
  });
  const completions = () => `${running.url}/v1/completions`;
  const chat = () => `${running.url}/v1/chat/completions`;

  const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;
  const valid = { model: "demo", prompt: "Once", max_tokens: 2 };

  it.each([
    ["no JSON", "{", 400],
    ["an empty body", "", 400],
    ["JSON that is no object", "[1,2]", 400],
    ["null", "null", 400],
    ["malformed UTF-8", Uint8Array.of(0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d), 400],
    ["deep nesting", nested(200_000), 400],
    ["deep nesting in a field", `{"model":"demo","prompt":${nested(100_000)}}`, 400],
    ["a wrong type", { ...valid, prompt: { a: 1 } }, 400],
    ["a missing field", { model: "demo" }, 400],
    ["a number as model", { ...valid, model: 5 }, 400],
    ["n of a million", { ...valid, n: 1_000_000 }, 400],
    ["max_tokens below 1", { ...valid, max_tokens: 0 }, 400],
    ["max_tokens of 1e300", { ...valid, max_tokens: 1e300 }, 400],
    ["a fraction of a token", { ...valid, max_tokens: 1.5 }, 400],
    ["a negative temperature", { ...valid, temperature: -1 }, 400],
    ["a negative seed", { ...valid, seed: -1 }, 400],
    ["hundreds of stop strings", { ...valid, stop: Array.from({ length: 300 }, String) }, 400],
    ["an unknown field", { ...valid, nonsense: true }, 400],
    ["a field named __proto__", `{"model":"demo","prompt":"x","__proto__":{"max_tokens":5}}`, 400],
    ["negative token ids", { ...valid, prompt: [-1] }, 400],
    ["a prompt of 900 kB", { ...valid, prompt: "word ".repeat(180_000) }, 400],
    ["10 MB", "x".repeat(10_000_000), 413],
  ])("%s", async (_, body, status) => {
    const response = await post(completions(), body);
    expect(response.status).toBe(status);
    const { error } = (await response.json()) as { error: { message: string; type: string } };
    expect(error.type).toBe("invalid_request_error");
    expect(error.message.length).toBeLessThan(400);
    expect(error.message).not.toMatch(/node_modules|\.ts|\.js|scratch/);
  });

  it("10 MB without a length, sent in chunks", async () => {
    const chunk = `2000\r\n${"x".repeat(0x2000)}\r\n`;
    const head = request("Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n");
    const answer = await raw(running.port, [head, ...Array.from({ length: 1_250 }, () => chunk)]);
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  });

  it("other content types, which a page elsewhere could send unasked", async () => {
    const response = await post(completions(), valid, { "content-type": "text/plain" });
    expect(response.status).toBe(415);
    const gzip = await post(completions(), valid, { "content-encoding": "gzip" });
    expect(gzip.status).toBe(415);
  });

  it("no page of another origin is let in", async () => {
    const response = await fetch(completions(), {
      method: "OPTIONS",
      headers: { origin: "https://example.org", "access-control-request-method": "POST" },
    });
    expect(response.headers.get("access-control-allow-origin")).toBeNull();
  });

  it.each([
    ["one long header", `X-Long: ${"a".repeat(40_000)}\r\n`, /^HTTP\/1\.1 431 /],
    [
      "a flood of headers",
      Array.from({ length: 5_000 }, (_, i) => `X-${i}: ${i}\r\n`).join(""),
      /^HTTP\/1\.1 431 /,
    ],
    ["two lengths", "Content-Length: 5\r\nContent-Length: 6\r\n", /^HTTP\/1\.1 400 /],
    ["a length and chunks", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", /^HTTP\/1\.1 400 /],
  ])("%s", async (_, headers, status) => {
    expect(await raw(running.port, [request(headers)])).toMatch(status);
  });

  it("what is no HTTP", async () => {
    expect(await raw(running.port, ["\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"])).toMatch(/^HTTP\/1\.1 400 /);
  });

  it("a body that ends early takes no place at the device", async () => {
    const socket = connect(running.port, "127.0.0.1");
    socket.write(`${request("Content-Type: application/json\r\nContent-Length: 1000\r\n")}{"model"`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.destroy();
    expect(running.server.service.queue.depth).toBe(0);
    expect((await post(completions(), valid)).status).toBe(200);
  });

  it.each([
    ["GET", "/v1/completions", 405],
    ["DELETE", "/v1/models", 405],
    ["GET", "/nothing", 404],
    ["GET", "/../../etc/passwd", 404],
    ["GET", "/%2e%2e/%2e%2e/package.json", 404],
    ["GET", "/page/index.html", 404],
  ])("%s %s", async (method, path, status) => {
    const answer = await raw(running.port, [
      `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    ]);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  });

  it("a conversation that the template refuses, and messages that are none", async () => {
    for (const messages of [[], [{ role: "tool", content: "x" }], [{ role: "user" }], "hello"]) {
      expect((await post(chat(), { model: "demo", messages })).status).toBe(400);
    }
  });

  it("a full queue says when to come back, and keeps its bound", async () => {
    const { queue } = running.server.service;
    const slow = { ...valid, max_tokens: 400, ignore_eos: true, seed: 1 };
    const answers = await Promise.all(Array.from({ length: 8 }, () => post(completions(), slow)));
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([200, 200, 200, 429, 429, 429, 429, 429]);
    for (const answer of answers.filter(({ status }) => status === 429)) {
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
      expect(((await answer.json()) as { error: { code: string } }).error.code).toBe("queue_full");
    }
    expect(queue.depth).toBe(0);
  });

  it("who does not read is given up, and who comes after gets the right text", async () => {
    const alone = await (await post(completions(), { ...valid, max_tokens: 20, seed: 4 })).json();
    // More than the buffers of both sockets hold.
    const body = JSON.stringify({
      model: "demo",
      messages: [{ role: "user", content: "Once" }],
      max_tokens: 4_096,
      ignore_eos: true,
      stream: true,
      logprobs: true,
      top_logprobs: 20,
    });
    const socket = connect(running.port, "127.0.0.1");
    socket.pause();
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    await until(() => running.server.service.queue.running);
    const after = await (await post(completions(), { ...valid, max_tokens: 20, seed: 4 })).json();
    expect((after as { choices: unknown }).choices).toEqual((alone as { choices: unknown }).choices);
    expect(running.logged.join("")).toContain("stream ended early");
    socket.destroy();
  });

  it("a stream goes on unharmed while all of this happens", async () => {
    const asked = { ...valid, max_tokens: 300, ignore_eos: true, seed: 7 };
    const alone = (await (await post(completions(), asked)).json()) as { choices: [{ text: string }] };
    const stream = post(completions(), { ...asked, stream: true }).then((response) => response.text());
    for (let i = 0; i < 10; i++) {
      await Promise.all([
        post(completions(), "{"),
        post(completions(), "x".repeat(2_000_000)),
        post(completions(), `{"model":"demo","prompt":${nested(50_000)}}`),
        raw(running.port, ["nonsense\r\n\r\n"]),
      ]);
    }
    const text = (await stream)
      .split("\n\n")
      .filter((event) => event.startsWith("data: {"))
      .map((event) => (JSON.parse(event.slice(6)) as { choices: [{ text: string }] }).choices[0].text)
      .join("");
    expect(text).toBe(alone.choices[0].text);
  });
});
