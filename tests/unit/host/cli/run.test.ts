import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterAll, describe, expect, it } from "vitest";
import { DeviceError } from "../../../../host/errors.ts";
import { accllm, jsonLines, Sink, scriptedModel, silentStdin } from "./harness.ts";

const GREEDY = ["--temperature", "0"];
const folder = mkdtempSync(join(tmpdir(), "accllm-run-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe("accllm run", () => {
  it("takes one device, and says which verbs take several", async () => {
    const { services, loaded } = scriptedModel("abc");
    const { code, stderr } = await accllm(["run", "m.accllm", "-p", "x", "--device", "xrt:0,xrt:1"], {
      services,
    });
    expect(code).toBe(2);
    expect(stderr).toMatch(/accllm run runs one text on one device, not on xrt:0,xrt:1/);
    expect(stderr).toContain("serve, perplexity, bench and verify");
    expect(loaded).toEqual([]);
  });

  it("tells tokens per joule where the card has a sensor", async () => {
    const { services, session } = scriptedModel("abc", { stepMs: 2 });
    session.power = { watts: async () => 20 };
    const { stderr } = await accllm(["run", "m.accllm", "-p", "x", "--temperature", "0"], { services });
    expect(stderr).toMatch(/[\d.,]+ tokens\/J at 20\.0 W by the card's sensor/);
  });

  it("streams the text to stdout and a summary to stderr", async () => {
    const { services, session, loaded } = scriptedModel(" there.");
    const result = await accllm(["run", "m.accllm", "-p", "Hi", ...GREEDY, "--seed", "7"], { services });
    expect(result).toMatchObject({ code: 0, stdout: " there.\n" });
    expect(result.stderr).toMatch(
      /^8 tokens ended by the model · prompt of 2 tokens in .*fake \(script\).*500 tokens\/s.* · seed 7\n$/,
    );
    expect(loaded).toEqual([{ path: "m.accllm", device: "emulator", engine: "fast" }]);
    expect(session.calls.at(-1)).toBe("close");
  });

  it("prints one JSON object a token, then the summary, and nothing else", async () => {
    const { services } = scriptedModel("ab");
    const { code, stdout, stderr } = await accllm(
      ["run", "m.accllm", "--prompt", "Hi", ...GREEDY, "--logprobs", "1", "--json"],
      { services },
    );
    expect(code).toBe(0);
    expect(stderr).toBe("");
    const lines = jsonLines(stdout);
    expect(lines.slice(0, -1)).toMatchObject([
      {
        type: "token",
        index: 0,
        id: 97,
        text: "a",
        logprob: expect.any(Number),
        topLogprobs: [{ id: 97, text: "a" }],
      },
      { type: "token", index: 1, id: 98, text: "b" },
      { type: "token", index: 2, id: 0, text: "" },
    ]);
    expect(lines.at(-1)).toEqual({
      type: "done",
      reason: "eos",
      text: "ab",
      promptTokens: 2,
      completionTokens: 3,
      seed: expect.any(Number),
      timings: {
        prefillSeconds: expect.any(Number),
        decodeSeconds: expect.any(Number),
        decodeTokensPerSecond: expect.any(Number),
      },
      device: { name: "fake", engine: "script", modelledDecodeTokensPerSecond: 500 },
    });
  });

  it("shows the prompt before the text on a terminal, in colors unless NO_COLOR is set", async () => {
    const argv = ["run", "m.accllm", "-p", "Hi", ...GREEDY];
    const plain = await accllm(argv, {
      services: scriptedModel("!").services,
      isTTY: true,
      env: { NO_COLOR: "1" },
    });
    expect(plain.stdout).toBe("Hi!\n");
    const colored = await accllm(argv, { services: scriptedModel("!").services, isTTY: true });
    expect(colored.stdout).toBe("\u001b[2mHi\u001b[22m!\n");
  });

  it("passes the settings on", async () => {
    const { services } = scriptedModel("abcdefgh");
    const argv = [
      "run",
      "m.accllm",
      "-p",
      "Hi",
      ...GREEDY,
      "-n",
      "6",
      "--stop",
      "x",
      "--stop",
      "de",
      "--json",
    ];
    const done = jsonLines((await accllm(argv, { services })).stdout).at(-1);
    expect(done).toMatchObject({ reason: "stop", text: "abc" });
    const ignoring = scriptedModel("a");
    const past = await accllm(
      ["run", "m.accllm", "-p", "Hi", ...GREEDY, "--ignore-eos", "-n", "3", "--json"],
      ignoring,
    );
    expect(jsonLines(past.stdout).at(-1)).toMatchObject({ reason: "length", completionTokens: 3 });
  });

  it("reads the prompt from a file or stdin, without the last line break", async () => {
    const promptOf = async (args: string[], stdin = "") => {
      const { services, session } = scriptedModel("a");
      await accllm(["run", ...args, ...GREEDY], { services, stdin });
      const ids = session.calls.find((call) => call.startsWith("prefill"))!.slice("prefill ".length);
      return String.fromCharCode(...ids.split(",").map(Number));
    };
    expect(await promptOf(["m.accllm", "--prompt-file", file("p.txt", "Two\nlines\n")])).toBe("Two\nlines");
    expect(await promptOf(["m.accllm", "-"], "From stdin\r\n")).toBe("From stdin");
    expect(await promptOf(["m.accllm", "--prompt-file", "-"], "again")).toBe("again");
  });

  it("names the device and the engine", async () => {
    const { services, loaded } = scriptedModel("a");
    await accllm(
      ["run", "m.accllm", "-p", "x", ...GREEDY, "--device", "xrt:0000:3b:00.1", "--engine", "golden"],
      { services },
    );
    expect(loaded).toEqual([{ path: "m.accllm", device: "xrt:0000:3b:00.1", engine: "golden" }]);
  });

  it.each([
    ["no prompt", [], /no prompt/],
    ["an empty prompt", ["-p", ""], /prompt.*empty/],
    ["an empty prompt file", ["--prompt-file", file("empty.txt", "\n")], /prompt.*empty\.txt is empty/],
    ["two prompts", ["-p", "a", "--prompt-file", "b"], /more than one way/],
    ["a prompt over the limit", ["-p", "x".repeat(51)], /51 tokens.*at most 50.*at least 1 token/],
    ["text for a number", ["-p", "x", "--top-k", "many"], /--top-k cannot be "many": it must be a number/],
    ["a hexadecimal number", ["-p", "x", "--seed", "0x10"], /--seed cannot be "0x10": it must be a number/],
    ["a number out of range", ["-p", "x", "--top-p", "1.5"], /--top-p cannot be "1.5": it must be at most 1/],
    [
      "a fraction of a token",
      ["-p", "x", "-n", "1.5"],
      /--max-tokens cannot be "1.5": it must be a whole number/,
    ],
    [
      "a negative temperature",
      ["-p", "x", "--temperature", "-1"],
      /--temperature cannot be "-1": it must be at least 0/,
    ],
    ["an empty stop string", ["-p", "x", "--stop", ""], /stop.*length of at least 1/],
    ["an unknown engine", ["-p", "x", "--engine", "quick"], /no engine called "quick".*golden/],
    ["a second operand", ["Hello"], /not m.accllm Hello.*--prompt/],
  ])("refuses %s with exit code 2 and one paragraph", async (_, args, message) => {
    const { services } = scriptedModel("a", { maxPositions: 50 });
    const result = await accllm(["run", "m.accllm", ...args], { services });
    expect(result).toMatchObject({ code: 2, stdout: "" });
    expect(result.stderr).toMatch(/^error: .*\n$/);
    expect(result.stderr).toMatch(message);
  });

  it.each([
    [
      "a missing prompt file",
      ["--prompt-file", join(folder, "none.txt")],
      /none\.txt: there is no such file/,
    ],
    [
      "a prompt file that is no text",
      ["--prompt-file", file("bytes.txt", Uint8Array.of(0xff, 0xfe))],
      /bytes\.txt is not text/,
    ],
    ["a folder as prompt file", ["--prompt-file", folder], /it is a folder/],
  ])("refuses %s with exit code 3", async (_, args, message) => {
    const { code, stderr } = await accllm(["run", "m.accllm", ...args], {
      services: scriptedModel("a").services,
    });
    expect(code).toBe(3);
    expect(stderr).toMatch(message);
  });

  it("closes the device when it fails, and says what the device said", async () => {
    const { services, session } = scriptedModel("abc");
    session.decode = () =>
      Promise.reject(new DeviceError("DEVICE_LOST", "The card has gone.", { hint: "Reset it." }));
    const { code, stderr } = await accllm(["run", "m.accllm", "-p", "x", ...GREEDY], { services });
    expect(code).toBe(4);
    expect(stderr).toBe("error: The card has gone. Reset it.\n");
    expect(session.calls.slice(-2)).toEqual(["reset", "close"]);
  });

  it("ends with 130 on Ctrl-C, closes the device and keeps what was written", async () => {
    for (const json of [[], ["--json"]]) {
      const { services, session } = scriptedModel("abcdef", { stepMs: 30 });
      const controller = new AbortController();
      const stdout = new Sink();
      stdout.onWrite = (text) => text.includes("b") && controller.abort();
      const { code } = await accllm(["run", "m.accllm", "-p", "x", ...GREEDY, ...json], {
        services,
        stdout,
        signal: controller.signal,
      });
      expect(code).toBe(130);
      expect(session.calls.slice(-2)).toEqual(["reset", "close"]);
      expect(session.calls).not.toContain("decode 99");
      if (json.length === 0) expect(stdout.text).toBe("ab\n");
      else
        expect(jsonLines(stdout.text).at(-1)).toMatchObject({
          type: "done",
          reason: "cancelled",
          text: "ab",
        });
    }
  });

  it("ends with 130 while it waits for stdin", async () => {
    const controller = new AbortController();
    const pending = accllm(["run", "m.accllm", "-"], { stdin: silentStdin(), signal: controller.signal });
    setImmediate(() => controller.abort());
    expect((await pending).code).toBe(130);
  });

  it("ends quietly with 0 when the reader goes away, and closes the device", async () => {
    const { services, session } = scriptedModel("abcdefghij");
    let taken = 0;
    const pipe = new Writable({
      write(_chunk, _encoding, done) {
        taken++;
        done(taken > 2 ? Object.assign(new Error("write EPIPE"), { code: "EPIPE" }) : null);
      },
    });
    const { code, stderr } = await accllm(["run", "m.accllm", "-p", "x", ...GREEDY, "--json"], {
      services,
      stdout: pipe,
    });
    expect(code).toBe(0);
    expect(stderr).toBe("");
    expect(session.calls.at(-1)).toBe("close");
    expect(session.calls.length).toBeLessThan(10);
  });

  it("fails with 3 when stdout is a full disk", async () => {
    const full = new Writable({
      write: (_chunk, _encoding, done) => done(Object.assign(new Error("write ENOSPC"), { code: "ENOSPC" })),
    });
    const { code, stderr } = await accllm(["run", "m.accllm", "-p", "x", ...GREEDY], {
      services: scriptedModel("abc").services,
      stdout: full,
    });
    expect(code).toBe(3);
    expect(stderr).toBe("error: Cannot write to stdout: the disk is full.\n");
  });
});
