import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { DeviceError, InterruptedError } from "../../../../host/errors.ts";
import { accllm } from "./harness.ts";

const VERBS = [
  "quantize",
  "run",
  "chat",
  "serve",
  "perplexity",
  "bench",
  "verify",
  "estimate",
  "inspect",
  "doctor",
  "devices",
  "build",
  "flash",
  "env",
];
const doctor = (services: () => Promise<never>) => ({ services: { doctor: services } });

describe("accllm", () => {
  it("lists its verbs", async () => {
    const { code, stdout, stderr } = await accllm(["--help"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const listed = [...stdout.matchAll(/^ {2}([a-z]+)\b.* {2}/gm)].map(([, verb]) => verb);
    expect(listed.filter((verb) => verb !== "help")).toEqual(VERBS);
  });

  it.each(VERBS)("%s --help shows its options, the global ones and an example", async (verb) => {
    const { code, stdout } = await accllm([verb, "--help"]);
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage: accllm ${verb}`);
    expect(stdout).toContain("--json");
    expect(stdout).toMatch(new RegExp(`Examples:[\\s\\S]*\\$ accllm ${verb}`));
  });

  it("prints the package's version", async () => {
    const { version } = JSON.parse(
      readFileSync(new URL("../../../../package.json", import.meta.url), "utf8"),
    );
    expect(await accllm(["--version"])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  });

  it("prints its help on stderr and exits with 2 without a verb", async () => {
    const { code, stdout, stderr } = await accllm([]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain("Usage: accllm");
    const json = await accllm(["--json"]);
    expect(json).toMatchObject({ code: 2, stderr: "" });
    expect(JSON.parse(json.stdout)).toMatchObject({ error: { code: "NO_VERB" } });
  });

  it.each([
    ["an unknown verb", ["rum"], "Unknown command 'rum'. Did you mean run?"],
    ["an unknown option", ["run", "--promt", "x"], "Unknown option '--promt'. Did you mean --prompt?"],
    ["an option without its value", ["run", "--prompt"], "argument missing"],
    ["a missing operand", ["inspect"], "Missing required argument 'file'"],
    ["an operand too many", ["inspect", "a", "b"], "Too many arguments"],
    ["a missing option", ["perplexity", "models/demo"], "--text <file>' not specified"],
    ["a value that is no choice", ["quantize", "a", "-o", "b", "--weights", "w3"], "w2s24"],
  ])("refuses %s with exit code 2 and one paragraph", async (_, argv, message) => {
    const result = await accllm(argv);
    expect(result).toMatchObject({ code: 2, stdout: "" });
    expect(result.stderr).toMatch(/^error: .*--help`\.\n$/);
    expect(result.stderr).toContain(message);

    const json = await accllm([...argv, "--json"]);
    expect(json.code).toBe(2);
    expect(JSON.parse(json.stdout)).toMatchObject({
      error: { code: "BAD_COMMAND_LINE", message: expect.any(String) },
    });
    expect(json.stderr).toBe("");
  });

  it("takes the global options before and after the verb", async () => {
    const services = { devices: async () => [] };
    expect((await accllm(["--json", "devices"], { services })).stdout).toBe("[]\n");
    expect((await accllm(["devices", "--json"], { services })).stdout).toBe("[]\n");
  });

  it("prints an error as one paragraph, as JSON, and with its stack only when debugging", async () => {
    const cause = new Error("low level");
    const fail = doctor(() =>
      Promise.reject(new DeviceError("NO_CARD", "No card\nanswers.", { hint: "Look.", cause })),
    );
    expect(await accllm(["doctor"], fail)).toEqual({
      code: 4,
      stdout: "",
      stderr: "error: No card answers. Look.\n",
    });
    const json = await accllm(["doctor", "--json"], fail);
    expect({ ...json, stdout: JSON.parse(json.stdout) }).toEqual({
      code: 4,
      stdout: { error: { code: "NO_CARD", message: "No card\nanswers.", hint: "Look." } },
      stderr: "",
    });
    const debug = await accllm(["doctor", "--debug"], fail);
    expect(debug.stderr).toMatch(
      /DeviceError: No card[\s\S]* at [\s\S]*Caused by: Error: low level[\s\S]* at /,
    );
  });

  it("calls an unforeseen error a bug, with exit code 1", async () => {
    const result = await accllm(
      ["doctor"],
      doctor(() => Promise.reject(new TypeError("x is undefined"))),
    );
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(
      /^error: Internal error: x is undefined This is a bug in accllm.*--debug\.\n$/,
    );
  });

  it.each([
    ["ENOSPC", /Cannot use \/data\/x: the disk is full\./],
    ["EACCES", /permission is denied/],
  ])("explains %s and exits with 3", async (code, message) => {
    const error = Object.assign(new Error(code), { code, path: "/data/x" });
    const result = await accllm(
      ["doctor"],
      doctor(() => Promise.reject(error)),
    );
    expect(result.code).toBe(3);
    expect(result.stderr).toMatch(message);
  });

  it("exits with 130 when interrupted", async () => {
    for (const error of [new InterruptedError(), new DOMException("aborted", "AbortError")]) {
      const result = await accllm(
        ["doctor"],
        doctor(() => Promise.reject(error)),
      );
      expect(result).toEqual({ code: 130, stdout: "", stderr: "Interrupted.\n" });
    }
  });
});
