import { spawn } from "node:child_process";
import { createWriteStream, mkdirSync } from "node:fs";
import { constants } from "node:os";
import { dirname } from "node:path";
import { SetupFailure } from "./failure.mjs";

/** Milliseconds that a process gets to end by itself after it was asked to. */
const graceMs = 1500;
/** How much of a failed command's output is shown: compilers tell the cause first, build tools last. */
const headLines = 12;
const tailLines = 28;

/**
 * Runs a command quietly: its output goes to a log file, and its last lines into the failure.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {object} options
 * @param {string} options.cwd
 * @param {string} options.log file for the output; its folder is made
 * @param {AbortSignal} options.signal ends the command with all its children
 * @param {string} options.what what the command does, for the message when it fails
 * @param {string} [options.hint]
 * @param {NodeJS.ProcessEnv} [options.env]
 * @param {(line: string) => void} [options.onLine] called with every line of output
 * @returns {Promise<void>}
 * @throws {SetupFailure} where the command cannot be started or its exit code is not 0
 */
export async function runQuietly(command, args, options) {
  options.signal.throwIfAborted();
  mkdirSync(dirname(options.log), { recursive: true });
  const log = createWriteStream(options.log, { flags: "a" });
  log.write(`$ ${command} ${args.join(" ")}\n`);
  const excerpt = new Excerpt();
  const lines = lineSplitter((line) => {
    excerpt.add(line);
    options.onLine?.(line);
  });
  // Its own process group: the terminal's Ctrl-C does not reach it, and one kill reaches its children.
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => {
      log.write(text);
      lines.push(text);
    });
  }
  const ended = await untilEnd(child, options.signal, (how) => killGroup(child, how));
  lines.end();
  await new Promise((resolve) => log.end(resolve));
  options.signal.throwIfAborted();
  if (ended.code === 0) return;
  const reason = ended.error ? ended.error.message : `exit code ${ended.code}`;
  throw new SetupFailure(`${options.what} failed (${reason}). The whole output is in ${options.log}.`, {
    output: excerpt.lines(),
    ...(options.hint === undefined ? {} : { hint: options.hint }),
  });
}

/**
 * Runs a command on this terminal. The terminal sends Ctrl-C to it as well; it is told again only if it is
 * still there a moment later, because many programs take a second one as "at once".
 * @param {string} command
 * @param {readonly string[]} args
 * @param {object} options
 * @param {string} options.cwd
 * @param {AbortSignal} options.signal
 * @param {NodeJS.ProcessEnv} [options.env]
 * @param {(line: string) => void} [options.onLine] where given, stdout is not the terminal but goes here
 * @returns {Promise<number>} exit code
 */
export async function runAttached(command, args, options) {
  options.signal.throwIfAborted();
  const { onLine } = options;
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: ["inherit", onLine ? "pipe" : "inherit", "inherit"],
  });
  if (onLine && child.stdout) {
    const lines = lineSplitter(onLine);
    child.stdout.setEncoding("utf8").on("data", (text) => lines.push(text));
    child.stdout.on("end", () => lines.end());
  }
  const ended = await untilEnd(child, options.signal, (how) => child.kill(how), 300);
  options.signal.throwIfAborted();
  if (ended.error) throw new SetupFailure(`${command} could not be started: ${ended.error.message}.`);
  return ended.code;
}

/**
 * @param {import("node:child_process").ChildProcess} child
 * @param {AbortSignal} signal
 * @param {(how: NodeJS.Signals) => void} kill
 * @param {number} [patienceMs] how long to wait before the first kill
 * @returns {Promise<{ code: number, error?: Error }>}
 */
function untilEnd(child, signal, kill, patienceMs = 0) {
  return new Promise((resolve) => {
    /** @type {NodeJS.Timeout[]} */
    const timers = [];
    const stop = () => {
      const how = signal.reason?.exitCode === 130 ? "SIGINT" : "SIGTERM";
      timers.push(setTimeout(() => kill(how), patienceMs));
      timers.push(setTimeout(() => kill("SIGKILL"), patienceMs + graceMs));
    };
    /** @param {{ code: number, error?: Error }} how */
    const done = (how) => {
      for (const timer of timers) clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      resolve(how);
    };
    signal.addEventListener("abort", stop, { once: true });
    child.once("error", (error) => done({ code: 127, error }));
    child.once("close", (code, killedBy) =>
      done({ code: code ?? 128 + constants.signals[killedBy ?? "SIGKILL"] }),
    );
  });
}

/**
 * @param {import("node:child_process").ChildProcess} child
 * @param {NodeJS.Signals} how
 */
function killGroup(child, how) {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, how);
  } catch {
    // The group has just ended.
  }
}

/** First and last lines of an output. */
class Excerpt {
  /** @type {string[]} */
  #head = [];
  /** @type {string[]} */
  #tail = [];
  #left = 0;

  /** @param {string} line */
  add(line) {
    if (this.#head.length < headLines) {
      this.#head.push(line);
      return;
    }
    this.#tail.push(line);
    if (this.#tail.length <= tailLines) return;
    this.#tail.shift();
    this.#left += 1;
  }

  lines() {
    return [...this.#head, ...(this.#left > 0 ? [`... ${this.#left} lines ...`] : []), ...this.#tail];
  }
}

/** @param {(line: string) => void} onLine */
function lineSplitter(onLine) {
  let rest = "";
  return {
    /** @param {string} text */
    push(text) {
      const parts = (rest + text).split("\n");
      rest = parts.pop() ?? "";
      for (const part of parts) onLine(part);
    },
    end() {
      if (rest !== "") onLine(rest);
    },
  };
}
