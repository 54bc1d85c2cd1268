import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { takeLock } from "../../../../scripts/setup/lock.mjs";
import { scratch } from "../scratch.ts";

const lockModule = fileURLToPath(new URL("../../../../scripts/setup/lock.mjs", import.meta.url));

/** Runs `body` in a Node.js of its own, with takeLock at hand and the lock's path in `file`. */
function inProcess(file: string, body: string) {
  const code = `import { takeLock } from ${JSON.stringify(lockModule)};
    import { appendFileSync } from "node:fs";
    import { setTimeout as sleep } from "node:timers/promises";
    const file = ${JSON.stringify(file)};
    ${body}`;
  return spawn(process.execPath, ["--input-type=module", "-e", code], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

it("is had by one at a time, and leaves nothing when given back", async () => {
  const folder = scratch();
  const file = join(folder, "lock");
  const release = await takeLock(file);
  expect(JSON.parse(readFileSync(file, "utf8")).pid).toBe(process.pid);
  const waits: number[] = [];
  const second = takeLock(file, { onWait: (pid) => waits.push(pid), pollMs: 5 });
  release();
  (await second)();
  expect(waits).toEqual([process.pid]);
  expect(readdirSync(folder)).toEqual([]);
});

it("keeps critical sections of several processes apart, from a dead owner's lock on", async () => {
  const folder = scratch();
  const file = join(folder, "lock");
  const dead = inProcess(file, 'await takeLock(file); process.kill(process.pid, "SIGKILL");');
  await once(dead, "exit");
  expect(existsSync(file)).toBe(true);
  const trace = join(folder, "trace");
  const body = `const release = await takeLock(file, { pollMs: 1 });
    appendFileSync(${JSON.stringify(trace)}, "<"); await sleep(5);
    appendFileSync(${JSON.stringify(trace)}, ">"); release();`;
  const processes = Array.from({ length: 6 }, () => inProcess(file, body));
  const codes = await Promise.all(processes.map(async (one) => (await once(one, "exit"))[0]));
  expect(codes).toEqual([0, 0, 0, 0, 0, 0]);
  expect(readFileSync(trace, "utf8")).toBe("<>".repeat(6));
  expect(readdirSync(folder).sort()).toEqual(["trace"]);
});

it("takes over a lock whose pid now belongs to another process, or that holds nonsense", async () => {
  const file = join(scratch(), "lock");
  writeFileSync(file, JSON.stringify({ pid: process.pid, started: "before the boot", id: "x" }));
  (await takeLock(file))();
  writeFileSync(file, "nonsense");
  (await takeLock(file))();
  expect(existsSync(file)).toBe(false);
});

it("stops waiting when aborted, and leaves the owner's lock alone", async () => {
  const folder = scratch();
  const file = join(folder, "lock");
  const release = await takeLock(file);
  const controller = new AbortController();
  const waiting = takeLock(file, { signal: controller.signal, onWait: () => controller.abort() });
  await expect(waiting).rejects.toThrow(/abort/i);
  expect(readdirSync(folder)).toEqual(["lock"]);
  release();
});
