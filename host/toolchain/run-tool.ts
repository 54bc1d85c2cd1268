import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { execa } from "execa";
import { InterruptedError, ToolchainError } from "../errors.ts";
import { firstError } from "./log.ts";
import { commandLine } from "./steps.ts";

export interface ToolRun {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** Whole output. */
  readonly log: string;
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onLine?: ((line: string) => void) | undefined;
}

/** Milliseconds between asking a tool with its children to end and ending them. */
const graceMs = 3_000;

/**
 * Runs a tool in a process group of its own, so that an interrupt reaches what it started too (v++ starts vitis_hls,
 * vivado and their workers), and writes its output to a log as it comes.
 * @throws ToolchainError TOOL_MISSING, TOOL_FAILED with the first real error of the output; InterruptedError.
 */
export async function runTool(run: ToolRun): Promise<void> {
  const { command, args, cwd, log, signal } = run;
  if (signal?.aborted) throw new InterruptedError();
  await mkdir(dirname(log), { recursive: true });
  const file = createWriteStream(log);
  file.write(`$ ${commandLine(run)}\n`);
  const lines: string[] = [];
  const child = execa(command, [...args], {
    cwd,
    ...(run.env === undefined ? {} : { env: run.env, extendEnv: false }),
    all: true,
    stdin: "ignore",
    reject: false,
    buffer: false,
    detached: true,
  });
  const endGroup = (how: NodeJS.Signals) => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, how);
    } catch {
      // The group has just ended.
    }
  };
  let patience: NodeJS.Timeout | undefined;
  const stop = () => {
    endGroup("SIGTERM");
    patience = setTimeout(() => endGroup("SIGKILL"), graceMs);
  };
  const atExit = () => endGroup("SIGKILL");
  signal?.addEventListener("abort", stop, { once: true });
  process.once("exit", atExit);
  try {
    for await (const line of child.iterable({ from: "all" })) {
      file.write(`${line}\n`);
      lines.push(line);
      run.onLine?.(line);
    }
    const result = await child;
    if (signal?.aborted) {
      // Children of a tool that ended first get no second chance.
      endGroup("SIGKILL");
      throw new InterruptedError();
    }
    if (!result.failed) return;
    if (result.exitCode === undefined && result.signal === undefined) {
      throw new ToolchainError("TOOL_MISSING", `${command} cannot be started: ${result.shortMessage}.`, {
        hint: `Source Vitis' settings64.sh and XRT's setup.sh, which put ${command} on the PATH; \`accllm doctor\` checks.`,
      });
    }
    const how = result.signal === undefined ? `exit code ${result.exitCode}` : `signal ${result.signal}`;
    const said = firstError(lines) ?? lines.filter((line) => line.trim() !== "").at(-1);
    throw new ToolchainError(
      "TOOL_FAILED",
      `${command} failed (${how})${said === undefined ? "" : `: ${said.trim()}`}`,
      { hint: `The whole output is in ${log}.` },
    );
  } finally {
    clearTimeout(patience);
    signal?.removeEventListener("abort", stop);
    process.removeListener("exit", atExit);
    await new Promise<void>((resolve) => file.end(resolve));
  }
}
