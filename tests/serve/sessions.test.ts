import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openModel } from "../../host/engine/open-model.ts";
import type { LoadServed } from "../../host/server/engine.ts";
import { bundleProgram } from "../unit/host/cli/bundle.ts";
import { type DemoImage, emulatorBuilt, post, quantizeDemo, startServer, until } from "./fixture.ts";
import { startServerProcess } from "./server-process.ts";

interface Answer {
  choices: [{ message: { content: string } }];
  usage: { prompt_tokens: number; prompt_tokens_details: { cached_tokens: number } };
}

const window = { sinks: 4, window: 92 };

describe.skipIf(!emulatorBuilt)("sessions on disk (need the emulator built)", () => {
  let image: DemoImage;
  let folder: string;
  beforeAll(async () => {
    image = await quantizeDemo();
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "accllm-sessions-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const serve = (options: Parameters<typeof openModel>[1] = {}) => {
    const load: LoadServed = (onEvent) =>
      openModel(image.path, { ...window, sessions: { folder, onEvent }, ...options });
    return startServer(image.path, { load });
  };
  const ask = async (url: string, messages: readonly object[], seed = 1) =>
    (await (
      await post(`${url}/v1/chat/completions`, {
        model: "demo",
        messages,
        seed,
        max_tokens: 24,
        ignore_eos: true,
      })
    ).json()) as Answer;
  const user = (content: string) => ({ role: "user", content });
  const assistant = ({ choices: [{ message }] }: Answer) => ({ role: "assistant", content: message.content });

  it("a conversation goes on after a restart as it would have without one, from what was kept", async () => {
    const alone = await startServer(image.path, {}, window);
    const first = [user("Once upon a time there was a dog who lived with a girl.")];
    const wanted = [await ask(alone.url, first)];
    const second = [...first, assistant(wanted[0]!), user(" They went to the park.")];
    wanted.push(await ask(alone.url, second, 2));
    await alone.server.close(1_000);

    const before = await serve();
    const said = await ask(before.url, first);
    expect(said.choices).toEqual(wanted[0]!.choices);
    await before.server.close(1_000);

    // Other engine, same bits.
    const after = await serve({ engine: "golden" });
    const went = await ask(after.url, second, 2);
    expect(went.choices).toEqual(wanted[1]!.choices);
    expect(went.usage.prompt_tokens_details.cached_tokens).toBeGreaterThan(30);
    const metrics = await (await fetch(`${after.url}/metrics`)).text();
    expect(metrics).toMatch(/accllm_sessions_total\{event="restored"\} 1/);
    expect(Number(/accllm_session_bytes (\d+)/.exec(metrics)![1])).toBeGreaterThan(1_000);
    await after.server.close(1_000);
  });

  it("several conversations in turn each find their cache", async () => {
    const { server, url } = await serve();
    const talks = [
      "The cat was sad and sat on",
      "A boy had a red ball and",
      "One day the sun was hot and",
    ].map((begin) => [user(`${begin} the big hill near the house.`)] as object[]);
    for (const talk of talks) talk.push(assistant(await ask(url, talk)), user(" Then"));
    for (const talk of talks) {
      const { usage } = await ask(url, talk);
      expect(usage.prompt_tokens_details.cached_tokens).toBeGreaterThan(usage.prompt_tokens - 5);
    }
    await server.close(1_000);
  });

  it("several devices share the folder, and give what one gives alone", async () => {
    const begins = ["The cat was sad and sat on", "A boy had a red ball and", "One day the sun was hot and"];
    const talksOf = () => begins.map((begin) => [user(`${begin} the big hill near the house.`)] as object[]);
    /** Two rounds of all conversations, those of a round at the same time. */
    const rounds = async (url: string) => {
      const talks = talksOf();
      const said: Answer[] = [];
      for (let round = 0; round < 2; round++) {
        const answers = await Promise.all(talks.map((talk) => ask(url, talk, round)));
        for (const [i, answer] of answers.entries()) talks[i]!.push(assistant(answer), user(" Then"));
        said.push(...answers);
      }
      return said;
    };
    const load: LoadServed = (onEvent) =>
      openModel(image.path, { ...window, threads: 1, sessions: { folder, onEvent } });
    const alone = await startServer(image.path, {}, window);
    const wanted = await rounds(alone.url);
    await alone.server.close(1_000);
    const several = await startServer(image.path, { load: [load, load] });
    const answers = await rounds(several.url);
    expect(answers.map(({ choices }) => choices)).toEqual(wanted.map(({ choices }) => choices));
    await several.server.close(1_000);
    // Whichever device had them: all are in the folder, and are found by one that has just been opened.
    const next = await startServer(image.path, { load: [load] });
    const [{ usage }] = [await ask(next.url, talksOf()[1]!.concat(assistant(wanted[1]!), user(" Then")), 1)];
    expect(usage.prompt_tokens_details.cached_tokens).toBe(usage.prompt_tokens - 1);
    await next.server.close(1_000);
  });

  it("another window does not take them up, and gives what it gives alone", async () => {
    const first = await serve();
    const messages = [user("Once upon a time there was a dog who lived with a girl.")];
    const answer = await ask(first.url, messages);
    await first.server.close(1_000);
    const second = await serve({ sinks: 4, window: 100 });
    const again = await ask(second.url, [...messages, assistant(answer), user(" They")]);
    expect(again.usage.prompt_tokens_details.cached_tokens).toBe(0);
    await second.server.close(1_000);
  });

  describe("of a server process", () => {
    let program: string;
    beforeAll(async () => {
      program = await bundleProgram();
    });

    it("outlive its being killed", async () => {
      const options = ["--session-dir", folder, "--session-limit", "0.1"];
      const killed = await startServerProcess(program, image.path, options);
      const messages = [user("Once upon a time there was a dog who lived with a girl.")];
      const answer = await ask(killed.url, messages);
      // While it is idle it keeps what it has.
      await until(async () => (await readdir(folder)).some((name) => name.endsWith(".kv")));
      await killed.end("SIGKILL");

      const next = await startServerProcess(program, image.path, options);
      const again = await ask(next.url, [...messages, assistant(answer), user(" They")]);
      expect(again.usage.prompt_tokens_details.cached_tokens).toBeGreaterThan(30);
      await next.end("SIGTERM");
      expect(next.child.exitCode).toBe(0);
    });
  });
});
