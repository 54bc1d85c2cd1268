import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { runAttached, runQuietly } from "../../../../scripts/setup/command.mjs";
import { Interrupted, SetupFailure } from "../../../../scripts/setup/failure.mjs";
import { scratch } from "../scratch.ts";

const never = new AbortController().signal;

it("keeps the output in the log and hands the lines on", async () => {
  const cwd = scratch();
  const log = join(cwd, "logs", "step.log");
  const lines: string[] = [];
  const script = "printf 'one\\ntwo'; printf 'three\\n' >&2";
  await runQuietly("sh", ["-c", script], {
    cwd,
    log,
    signal: never,
    what: "It",
    onLine: (line) => lines.push(line),
  });
  expect(lines.join("")).toMatch(/one.*two/);
  expect(readFileSync(log, "utf8")).toContain("three\n");
});

it("fails with the command's first and last lines, its exit code and the hint", async () => {
  const cwd = scratch();
  const options = { cwd, log: join(cwd, "log"), signal: never, what: "The step", hint: "Do that." };
  const failure = await runQuietly("sh", ["-c", "seq 100; exit 7"], options).catch((error) => error);
  expect(failure).toBeInstanceOf(SetupFailure);
  expect(failure.message).toMatch(/^The step failed \(exit code 7\)/);
  expect(failure.hint).toBe("Do that.");
  expect(failure.output.at(-1)).toBe("100");
  expect(failure.output[0]).toBe("1");
  expect(failure.output).toContain("... 60 lines ...");
  expect(failure.output).toHaveLength(41);
  await expect(runQuietly("no-such-program", [], options)).rejects.toThrow(/ENOENT/);
});

it("ends the command and its children when aborted", async () => {
  const cwd = scratch();
  const controller = new AbortController();
  const running = runQuietly("sh", ["-c", "(sleep 30; touch survived) & echo $! > child; wait"], {
    cwd,
    log: join(cwd, "log"),
    signal: controller.signal,
    what: "It",
  });
  while (!existsSync(join(cwd, "child")) || readFileSync(join(cwd, "child"), "utf8") === "") await sleep(5);
  controller.abort(new Interrupted("SIGTERM"));
  await expect(running).rejects.toBeInstanceOf(Interrupted);
  const child = Number(readFileSync(join(cwd, "child"), "utf8"));
  // What is killed stays in the table of processes until init has taken note; one that lives outlasts this test.
  while (isRunning(child)) await sleep(5);
});

it("kills an attached command that does not listen", async () => {
  const controller = new AbortController();
  const script =
    "process.on('SIGINT', () => {}); process.on('SIGTERM', () => {}); console.log('up'); setInterval(() => {}, 1000)";
  const running = runAttached(process.execPath, ["-e", script], {
    cwd: process.cwd(),
    signal: controller.signal,
    onLine: () => controller.abort(new Interrupted("SIGINT")),
  });
  await expect(running).rejects.toBeInstanceOf(Interrupted);
});

it("gives the exit code of an attached command, and its lines", async () => {
  const lines: string[] = [];
  const options = { cwd: process.cwd(), signal: never, onLine: (line: string) => lines.push(line) };
  expect(await runAttached("sh", ["-c", "echo one; printf two; exit 3"], options)).toBe(3);
  expect(lines).toEqual(["one", "two"]);
});

/** Neither gone nor a zombie that nobody has waited for. */
function isRunning(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
}
