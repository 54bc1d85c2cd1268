import { Interrupted, SetupFailure } from "./failure.mjs";
import { Terminal } from "./terminal.mjs";

/**
 * Runs a script's body with a signal that fires on Ctrl-C, SIGTERM and SIGHUP, tells failures as paragraphs,
 * and ends the process with the right exit code.
 * @param {(context: { signal: AbortSignal, terminal: Terminal }) => Promise<number>} body resolves to the exit code
 */
export async function main(body) {
  const terminal = new Terminal();
  const controller = new AbortController();
  for (const name of /** @type {NodeJS.Signals[]} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
    process.on(name, () => controller.abort(new Interrupted(name)));
  }
  // The reader of a pipe went away (`npm start | head`): nobody is left to tell anything.
  process.stdout.on("error", (error) => {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EPIPE") throw error;
    controller.abort(new Interrupted("SIGHUP"));
  });
  // The terminal went away: SIGHUP says so, a failing write need not.
  process.stderr.on("error", () => {});
  try {
    process.exitCode = await body({ signal: controller.signal, terminal });
  } catch (error) {
    process.exitCode = tell(controller.signal.aborted ? controller.signal.reason : error, terminal);
  }
  process.exit();
}

/**
 * @param {unknown} error
 * @param {Terminal} terminal
 * @returns {number} exit code
 */
function tell(error, terminal) {
  if (error instanceof Interrupted) {
    // The terminal has written ^C, perhaps in the middle of a line.
    terminal.line(`\n${error.message}`);
    return error.exitCode;
  }
  if (error instanceof SetupFailure) {
    for (const line of error.output) terminal.line(`  ${line}`);
    terminal.line(`${terminal.paint("red", error.message)}${error.hint ? ` ${error.hint}` : ""}`);
    return error.exitCode;
  }
  terminal.line(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return 1;
}
