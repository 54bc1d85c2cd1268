import { randomUUID } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * @typedef {object} Owner
 * @property {number} pid
 * @property {string} started start time of that process, so that a reused pid is not taken for it
 * @property {string} id unique to this taking of the lock
 */

/**
 * Takes a lock file, waiting while another living process has it, and returns the function that gives it back.
 * A lock whose process is gone is taken over. Only who holds `<file>.takeover` may replace a dead owner's lock,
 * so that two processes that both find it dead cannot both win.
 * @param {string} file
 * @param {{ signal?: AbortSignal, onWait?: (pid: number) => void, pollMs?: number }} [options]
 * @returns {Promise<() => void>}
 */
export async function takeLock(file, options = {}) {
  /** @type {Owner} */
  const self = { pid: process.pid, started: startTime(process.pid) ?? "", id: randomUUID() };
  const mine = `${file}.${self.id}.partial`;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(mine, JSON.stringify(self));
  let told = false;
  try {
    for (;;) {
      if (claim(mine, file)) break;
      const owner = readOwner(file);
      if (owner === undefined) continue;
      if (!isAlive(owner)) {
        if (await takeOver(file, mine, owner, options)) break;
        continue;
      }
      if (!told) options.onWait?.(owner.pid);
      told = true;
      await sleep(options.pollMs ?? 200, undefined, options.signal ? { signal: options.signal } : {});
    }
  } finally {
    rmSync(mine, { force: true });
  }
  return () => {
    if (readOwner(file)?.id === self.id) rmSync(file, { force: true });
  };
}

/**
 * A link appears at once with its content, unlike a file that is created and then written.
 * @param {string} mine
 * @param {string} file
 */
function claim(mine, file) {
  try {
    linkSync(mine, file);
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "EEXIST") return false;
    throw error;
  }
}

/**
 * @param {string} file
 * @param {string} mine
 * @param {Owner} dead
 * @param {{ signal?: AbortSignal }} options
 */
async function takeOver(file, mine, dead, options) {
  const release = await takeLock(`${file}.takeover`, options.signal ? { signal: options.signal } : {});
  try {
    if (readOwner(file)?.id !== dead.id) return false;
    renameSync(mine, file);
    return true;
  } finally {
    release();
  }
}

/**
 * @param {string} file
 * @returns {Owner | undefined} undefined where the lock has just been given back
 */
function readOwner(file) {
  let text;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const { pid, started, id } = JSON.parse(text);
    return { pid, started, id };
  } catch {
    // Not written by takeLock (a link always has its content): nobody's, to be taken over.
    return { pid: -1, started: "", id: text };
  }
}

/** @param {Owner} owner */
function isAlive({ pid, started }) {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "ESRCH") return false;
  }
  const now = startTime(pid);
  return now === undefined || now === started;
}

/**
 * Start time of a process in clock ticks since boot: field 22 of /proc/<pid>/stat; undefined without /proc.
 * @param {number} pid
 */
function startTime(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in field 2 may hold spaces and parentheses; fields are counted from its last one.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}
