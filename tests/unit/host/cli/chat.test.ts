import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { InputStream } from "../../../../host/cli/context.ts";
import type { OpenModel, OpenModelOptions } from "../../../../host/engine/open-model.ts";
import { DeviceError, InputError } from "../../../../host/errors.ts";
import { ChatTemplate } from "../../../../host/text/chat-template.ts";
import { characterCodec, ScriptedSession } from "../engine/fake-session.ts";
import { accllm, jsonLines, Sink } from "./harness.ts";

/** A model that answers everything with the script; it notes the texts that it was asked to continue. */
function scripted(script: string, { stepMs = 0, fault }: { stepMs?: number; fault?: Error } = {}) {
  const prompts: string[] = [];
  const session = new ScriptedSession(script, { stepMs, maxPositions: 10_000 });
  const prefill = session.prefill.bind(session);
  session.prefill = async (ids, signal) => {
    if (fault !== undefined) throw fault;
    prompts.push(String.fromCharCode(...ids));
    return prefill(ids, signal);
  };
  const model = {
    name: "script",
    codec: characterCodec,
    tokenizer: {
      bosId: null,
      encode: (text: string) => [...text].map((character) => character.charCodeAt(0)),
      idOf: () => undefined,
    },
    template: new ChatTemplate(
      "test",
      "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}",
      { bos: "", eos: "" },
    ),
    plan: { sinks: 4, window: 60 },
    session: Object.assign(session, { reusedTokens: 3, cachedTokens: 100 }),
    close: () => session.close(),
  };
  return { prompts, session, services: { openModel: async () => model as unknown as OpenModel } };
}

describe("accllm chat", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "accllm-chat-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("keeps the conversation: system prompt, questions and answers", async () => {
    const { prompts, services, session } = scripted("Yes.");
    const result = await accllm(["chat", "m.accllm", "--system", "Be brief."], {
      services,
      stdin: "One?\n\nTwo?\n",
    });
    expect(result).toMatchObject({ code: 0, stdout: "Yes.\nYes.\n" });
    expect(prompts).toEqual([
      "[system]Be brief.[user]One?",
      "[system]Be brief.[user]One?[assistant]Yes.[user]Two?",
    ]);
    expect(session.calls.at(-1)).toBe("close");
  });

  it("/reset forgets the turns but not the system prompt; /system changes that", async () => {
    const { prompts, services } = scripted("A");
    await accllm(["chat", "m.accllm", "--system", "S"], {
      services,
      stdin: "1\n/reset\n2\n/system T\n3\n/system\n/reset\n4\n/quit\n5\n",
    });
    expect(prompts).toEqual([
      "[system]S[user]1",
      "[system]S[user]2",
      "[system]T[user]2[assistant]A[user]3",
      "[user]4",
    ]);
  });

  it("/save and /load bring a conversation back", async () => {
    const path = join(folder, "saved.json");
    const first = scripted("A");
    await accllm(["chat", "m.accllm", "--system", "S"], {
      services: first.services,
      stdin: `1\n/save ${path}\n`,
    });
    expect(JSON.parse(await readFile(path, "utf8"))).toMatchObject({ version: 1 });
    const second = scripted("B");
    await accllm(["chat", "m.accllm"], { services: second.services, stdin: `/load ${path}\n2\n` });
    expect(second.prompts).toEqual(["[system]S[user]1[assistant]A[user]2"]);
  });

  it("a file that is no conversation is named, and the conversation goes on", async () => {
    const bad = join(folder, "bad.json");
    await writeFile(bad, '{"format":"accllm-conversation","version":1,"messages":[{"role":"king"}]}');
    const { prompts, services } = scripted("A");
    const { stderr, code } = await accllm(["chat", "m.accllm"], {
      services,
      stdin: `1\n/load ${bad}\n/load ${folder}/none\n/nonsense\n2\n`,
    });
    expect(code).toBe(0);
    expect(stderr).toContain(`${bad} is no saved conversation`);
    expect(stderr).toContain("there is no such file");
    expect(stderr).toContain("no command /nonsense");
    expect(prompts.at(-1)).toBe("[user]1[assistant]A[user]2");
  });

  it("/stats tells tokens, the cache and the modelled speed", async () => {
    const { services } = scripted("Yes");
    const { stderr } = await accllm(["chat", "m.accllm"], { services, stdin: "1\n/stats\n" });
    expect(stderr).toMatch(/1 turn; 7 prompt tokens, 3 of them found in the cache; 4 tokens generated/);
    expect(stderr).toMatch(/cache: 64 of 64 places .* 36 tokens fell out/);
    expect(stderr).toMatch(/500 tokens\/s on the card by the timing model/);
  });

  it("Ctrl-C stops the answer and not the program", async () => {
    const { prompts, services, session } = scripted("a".repeat(500), { stepMs: 5 });
    const stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => {} }) as InputStream &
      PassThrough;
    const stdout = new Sink({ isTTY: true });
    let interrupted = false;
    stdout.onWrite = () => {
      if (!interrupted && stdout.text.includes("aaa")) {
        interrupted = true;
        stdin.write("\x03");
        setTimeout(() => stdin.write("next\r"), 50);
      } else if (prompts.length === 2 && !stdin.writableEnded) stdin.end();
    };
    stdin.write("first\r");
    const result = await accllm(["chat", "m.accllm"], { services, stdin, stdout, isTTY: true });
    expect(result.stderr).toContain("stopped");
    expect(prompts[1]).toMatch(/^\[user\]first\[assistant\]a+\[user\]next$/);
    expect(prompts[1]!.length).toBeLessThan(200);
    expect(session.calls.at(-1)).toBe("close");
    expect(result.code).toBe(0);
  });

  it("Ctrl-C where nothing is answered says how to end, and asks again", async () => {
    const { prompts, services } = scripted("Yes.");
    const stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => {} }) as InputStream &
      PassThrough;
    const stdout = new Sink({ isTTY: true });
    let step = 0;
    stdout.onWrite = () => {
      const asked = stdout.text.split("> ").length - 1;
      if (step === 0 && asked === 1) {
        step = 1;
        setImmediate(() => stdin.write("\x03"));
      } else if (step === 1 && asked >= 2) {
        step = 2;
        // Not while the terminal is still being written to.
        setImmediate(() => stdin.write("first\r"));
      } else if (step === 2 && stdout.text.includes("Yes.")) {
        step = 3;
        stdin.end();
      }
    };
    const result = await accllm(["chat", "m.accllm"], { services, stdin, stdout, isTTY: true });
    expect(result.stderr).toContain("Ctrl-D or /quit ends the conversation.");
    expect(prompts).toEqual(["[user]first"]);
    expect(result.code).toBe(0);
  });

  it("--session-dir and --session-limit name the folder of sessions; what cannot be kept is said", async () => {
    const { services: own } = scripted("Yes.");
    const opened: OpenModelOptions[] = [];
    const services = {
      openModel: async (_: string, options: OpenModelOptions) => {
        opened.push(options);
        options.sessions?.onEvent?.({ type: "saved", tokens: 20, bytes: 100 });
        options.sessions?.onEvent?.({ type: "failed", error: new InputError("FULL", "The disk is full.") });
        return own.openModel();
      },
    };
    const line = ["chat", "m.accllm", "--session-dir", "kept", "--session-limit", "0.5"];
    const { code, stderr } = await accllm(line, { services, stdin: "1\n" });
    expect(code).toBe(0);
    expect(opened[0]!.sessions).toMatchObject({ folder: "kept", limitBytes: 5e8 });
    expect(stderr.match(/A session could not be kept or restored: .*/g)).toEqual([
      "A session could not be kept or restored: The disk is full.",
    ]);
    const alone = await accllm(["chat", "m.accllm", "--session-limit", "1"], { services });
    expect(alone).toMatchObject({ code: 2 });
    expect(alone.stderr).toContain("--session-dir");
  });

  it("--json prints the events and nothing else on stdout", async () => {
    const { services } = scripted("Hi");
    const { stdout } = await accllm(["chat", "m.accllm", "--json"], { services, stdin: "1\n" });
    const events = jsonLines(stdout);
    expect(events.map(({ type }) => type)).toEqual(["token", "token", "token", "done"]);
    expect(events.at(-1)).toMatchObject({ text: "Hi", reason: "eos" });
  });

  it("a broken device ends it with 4", async () => {
    const { services } = scripted("Hi", { fault: new DeviceError("LOST", "The device is gone.") });
    const result = await accllm(["chat", "m.accllm"], { services, stdin: "1\n" });
    expect(result.code).toBe(4);
    expect(result.stderr).toContain("The device is gone.");
  });

  it("refuses a template that is none", async () => {
    const result = await accllm(["chat", "m.accllm", "--chat-template", "nonsense"], { services: {} });
    expect(result.code).toBe(2);
    expect(result.stderr).toContain("zephyr");
  });
});
