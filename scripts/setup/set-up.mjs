import { rmSync } from "node:fs";
import { join } from "node:path";
import { chromiumForTests } from "./chromium.mjs";
import { dependencies } from "./dependencies.mjs";
import { hardwareTools } from "./hardware-tools.mjs";
import { takeLock } from "./lock.mjs";
import { nativeBuild } from "./native.mjs";
import { nginxForTests } from "./nginx.mjs";
import { projectPaths } from "./project.mjs";
import { systemTools } from "./system-tools.mjs";
import { seconds } from "./terminal.mjs";
import { typescriptBuild } from "./typescript.mjs";
import { xrtForTests } from "./xrt.mjs";

/**
 * @typedef {object} StepContext
 * @property {import("./project.mjs").ProjectPaths} paths
 * @property {string} log file for the output of the step's commands
 * @property {AbortSignal} signal
 * @property {(text: string) => void} detail shows how far the step is
 *
 * @typedef {object} StepResult
 * @property {boolean} [reused] nothing was to be done
 * @property {string} [text] what was done, where the step's name does not say it
 * @property {string} [missing] what could not be done, where the rest can do without
 *
 * @typedef {object} Step
 * @property {string} name
 * @property {(context: StepContext) => Promise<StepResult>} run
 * @property {(context: Pick<StepContext, "paths">) => boolean} [isCurrent] whether `run` would find nothing to do
 */

/**
 * Brings a checkout to the point where it runs: programs, packages, native build, TypeScript build; each only
 * where its inputs changed since it was done. Says one line for each step that did something.
 * @param {object} options
 * @param {string} options.root the checkout
 * @param {AbortSignal} options.signal
 * @param {import("./terminal.mjs").Terminal} options.terminal
 * @param {boolean} [options.forTests] also what only the tests need
 * @param {(context: Pick<StepContext, "paths" | "signal">) => Promise<void>} [options.whileLocked] more work that two processes
 *   must not do at once
 * @throws {import("./failure.mjs").SetupFailure}
 */
export async function setUp({ root, signal, terminal, forTests = false, whileLocked }) {
  const paths = projectPaths(root);
  const release = await takeLock(paths.lock, {
    signal,
    onWait: (pid) =>
      terminal.line(`Waiting for the set-up that process ${pid} is running in this checkout ...`),
  });
  const since = performance.now();
  try {
    // With a native build that is done, a machine without a compiler will do; the HLS tests compile, though.
    const needsTools = forTests || !nativeBuild.isCurrent?.({ paths });
    /** @type {Step[]} */
    const steps = [
      ...(needsTools ? [systemTools] : []),
      dependencies,
      nativeBuild,
      typescriptBuild,
      ...(forTests ? [xrtForTests, nginxForTests, chromiumForTests, hardwareTools] : []),
    ];
    let quiet = true;
    for (const step of steps) quiet = (await runStep(step, { paths, signal, terminal })) && quiet;
    if (quiet) terminal.step("done", "set-up", `up to date (${seconds(performance.now() - since)})`);
    await whileLocked?.({ paths, signal });
  } finally {
    release();
  }
  return paths;
}

/**
 * @param {Step} step
 * @param {Pick<StepContext, "paths" | "signal"> & { terminal: import("./terminal.mjs").Terminal }} context
 * @returns {Promise<boolean>} whether nothing was done
 */
async function runStep(step, { paths, signal, terminal }) {
  signal.throwIfAborted();
  const log = join(paths.logs, `${step.name.toLowerCase().replaceAll(" ", "-")}.log`);
  rmSync(log, { force: true });
  const since = performance.now();
  const watch = terminal.watch(step.name);
  let result;
  try {
    result = await step.run({ paths, log, signal, detail: watch.detail });
  } catch (error) {
    watch.stop();
    if (!signal.aborted) terminal.step("failed", step.name, seconds(performance.now() - since));
    throw error;
  }
  watch.stop();
  const took = seconds(performance.now() - since);
  if (result.missing !== undefined) terminal.step("note", step.name, result.missing);
  else if (!result.reused) terminal.step("done", step.name, result.text ? `${result.text} (${took})` : took);
  return result.reused === true || result.missing !== undefined;
}
