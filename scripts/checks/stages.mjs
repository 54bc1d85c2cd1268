import { rmSync } from "node:fs";
import { join } from "node:path";
import { runAttached, runQuietly } from "../setup/command.mjs";
import { SetupFailure } from "../setup/failure.mjs";
import { seconds } from "../setup/terminal.mjs";
import { clangFormatCommand } from "./clang-format.mjs";

/**
 * @typedef {object} Stage
 * @property {string} name
 * @property {string} command
 * @property {string[]} args
 * @property {boolean} [attached] its output goes to the terminal as it comes, and it is not run after a failure
 * @property {string} [hint] what to do when it fails
 *
 * @typedef {object} StageResult
 * @property {string} name
 * @property {"passed" | "failed" | "not run"} result
 * @property {number} ms
 */

/**
 * What `npm test` runs after the set-up: cheap checks first.
 * @param {string} root
 * @param {readonly string[]} vitestArgs
 * @returns {Stage[]}
 */
export function testStages(root, vitestArgs) {
  const node = process.execPath;
  /** @param {...string} parts */
  const program = (...parts) => join(root, "node_modules", ...parts);
  const hint = "`npm run format` lays the files out.";
  return [
    {
      name: "format and lint",
      command: node,
      args: [program("@biomejs", "biome", "bin", "biome"), "ci", "--colors=off", "."],
      hint: "`npx biome check --write .` mends what can be mended by itself.",
    },
    { name: "C++ format", ...clangFormatCommand(root, false), hint },
    {
      name: "type check",
      command: node,
      args: [
        program("typescript", "bin", "tsc"),
        "--noEmit",
        "-p",
        ".",
        "--incremental",
        "--tsBuildInfoFile",
        join(root, "build", "type-check.tsbuildinfo"),
      ],
    },
    {
      name: "tests",
      command: node,
      args: [program("vitest", "vitest.mjs"), "run", ...vitestArgs],
      attached: true,
    },
  ];
}

/**
 * Runs the stages in order. After a failure the quiet ones still run, so that one round shows all they find.
 * @param {readonly Stage[]} stages
 * @param {{ paths: import("../setup/project.mjs").ProjectPaths, signal: AbortSignal, terminal: import("../setup/terminal.mjs").Terminal }} context
 * @returns {Promise<StageResult[]>}
 */
export async function runStages(stages, { paths, signal, terminal }) {
  /** @type {StageResult[]} */
  const results = [];
  for (const stage of stages) {
    const failedBefore = results.some(({ result }) => result === "failed");
    if (stage.attached && failedBefore) {
      results.push({ name: stage.name, result: "not run", ms: 0 });
      continue;
    }
    const since = performance.now();
    const passed = stage.attached
      ? (await runAttached(stage.command, stage.args, { cwd: paths.root, signal })) === 0
      : await passesQuietly(stage, { paths, signal, terminal });
    results.push({ name: stage.name, result: passed ? "passed" : "failed", ms: performance.now() - since });
  }
  return results;
}

/**
 * @param {Stage} stage
 * @param {Parameters<typeof runStages>[1]} context
 */
async function passesQuietly(stage, { paths, signal, terminal }) {
  const log = join(paths.logs, `${stage.name.toLowerCase().replaceAll(" ", "-")}.log`);
  rmSync(log, { force: true });
  const watch = terminal.watch(stage.name);
  const since = performance.now();
  try {
    await runQuietly(stage.command, stage.args, {
      cwd: paths.root,
      log,
      signal,
      what: `The stage "${stage.name}"`,
    });
    watch.stop();
    terminal.step("done", stage.name, seconds(performance.now() - since));
    return true;
  } catch (error) {
    watch.stop();
    if (!(error instanceof SetupFailure)) throw error;
    terminal.step("failed", stage.name, seconds(performance.now() - since));
    for (const line of error.output) terminal.line(`  ${line}`);
    terminal.line([error.message, stage.hint].filter(Boolean).join(" "));
    return false;
  }
}

/**
 * @param {readonly StageResult[]} results
 * @returns {string[]} lines of a table: stage, result, seconds
 */
export function stageTable(results) {
  const width = Math.max(...results.map(({ name }) => name.length));
  return [
    `${"stage".padEnd(width)}  result   seconds`,
    ...results.map(
      ({ name, result, ms }) =>
        `${name.padEnd(width)}  ${result.padEnd(7)}  ${(ms / 1000).toFixed(1).padStart(7)}`,
    ),
  ];
}
