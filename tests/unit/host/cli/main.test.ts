import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { packageRoot } from "../../../../host/config/paths.ts";
import { emulatorLibraryPath } from "../../../../host/device/native.ts";
import { bundleProgram } from "./bundle.ts";

let folder: string;
let program: string;
let image: string;

beforeAll(async () => {
  program = await bundleProgram();
  folder = mkdtempSync(join(tmpdir(), "accllm-program-"));
  image = join(folder, "demo.accllm");
});

afterAll(() => rmSync(folder, { recursive: true }));

function start(...args: string[]): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [program, ...args], { cwd: packageRoot });
}

async function finish(
  child: ChildProcessWithoutNullStreams,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => (stdout += chunk));
  child.stderr.on("data", (chunk) => (stderr += chunk));
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, stdout, stderr };
}

/** Resolves when a stream has said something. */
function firstOutput(stream: NodeJS.ReadableStream): Promise<void> {
  return new Promise((resolve) => stream.once("data", () => resolve()));
}

describe("the accllm program", () => {
  it("exits with the code of its verb", async () => {
    expect(await finish(start("--version"))).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    });
    expect((await finish(start("inspect", "no-such-file"))).code).toBe(3);
    expect((await finish(start("inspect"))).code).toBe(2);
  });

  it("ends quietly with 0 when the reader of stdout goes away", async () => {
    const child = start("inspect", "models/demo", "--json");
    child.stdout.destroy();
    expect(await finish(child)).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  it.each(["SIGINT", "SIGTERM"] as const)(
    "ends with 130 on %s while it quantizes, and leaves nothing behind",
    async (signal) => {
      const output = join(folder, `${signal}.accllm`);
      const child = start("quantize", "models/demo", "-o", output);
      void firstOutput(child.stderr).then(() => child.kill(signal));
      expect((await finish(child)).code).toBe(130);
      expect(existsSync(output)).toBe(false);
    },
  );

  it("quantizes into the image that it names", async () => {
    const { code, stdout } = await finish(start("quantize", "models/demo", "-o", image, "--json"));
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ image, weights: "w2s24" });
    expect(existsSync(image)).toBe(true);
  });

  describe.runIf(existsSync(emulatorLibraryPath()))("on the emulator", () => {
    it("repeats a text by its seed", async () => {
      const line = ["run", image, "-p", "Once upon a time", "--max-tokens", "12"];
      const first = await finish(start(...line));
      const seed = /seed (\d+)/.exec(first.stderr)![1]!;
      const again = await finish(start(...line, "--seed", seed));
      expect(first.code).toBe(0);
      expect(first.stdout.length).toBeGreaterThan(12);
      expect(again.stdout).toBe(first.stdout);
    });

    it("ends a stream on Ctrl-C with 130, after the summary", async () => {
      const child = start(
        "run",
        image,
        "-p",
        "Once upon a time",
        "--ignore-eos",
        "--max-tokens",
        "100000",
        "--json",
      );
      void firstOutput(child.stdout).then(() => child.kill("SIGINT"));
      const { code, stdout } = await finish(child);
      expect(code).toBe(130);
      const lines = stdout.trimEnd().split("\n");
      expect(JSON.parse(lines.at(-1)!)).toMatchObject({ type: "done", reason: "cancelled" });
      expect(lines.length).toBeLessThan(1000);
    });
  });
});
