import { Command, CommanderError } from "commander";
import { packageVersion } from "../config/paths.ts";
import { InputError, UsageError } from "../errors.ts";
import { addBench } from "./commands/bench.ts";
import { addBuild } from "./commands/build.ts";
import { addChat } from "./commands/chat.ts";
import { addDevices } from "./commands/devices.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addEnv } from "./commands/env.ts";
import { addEstimate } from "./commands/estimate.ts";
import { addFlash } from "./commands/flash.ts";
import { addInspect } from "./commands/inspect.ts";
import { addPerplexity } from "./commands/perplexity.ts";
import { addQuantize } from "./commands/quantize.ts";
import { addRun } from "./commands/run.ts";
import { addServe } from "./commands/serve.ts";
import { addVerify } from "./commands/verify.ts";
import { type CliContext, type CliIo, createContext } from "./context.ts";
import { addExamples } from "./option.ts";
import { describeFileError, reportError } from "./render/error.ts";

/** What a verb's module adds its command with: runs an action and keeps its exit code (0 where it returns none). */
export type RunVerb = (action: (context: CliContext) => Promise<number | undefined>) => Promise<void>;

/**
 * The command line without a process around it.
 * @param argv arguments after `accllm`
 * @returns the exit code: 0 done, 1 bug, 2 usage, 3 bad input file, 4 device, 5 toolchain, 130 interrupted.
 *   A reader of stdout that goes away (`| head`) ends the verb with 0.
 */
export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
  const output = new AbortController();
  const onOutputError = (error: NodeJS.ErrnoException) => output.abort(error);
  const ignore = () => {};
  io.stdout.on("error", onOutputError);
  // Where diagnostics cannot be written there is nobody to tell.
  io.stderr.on("error", ignore);
  try {
    const context = contextOf(argv, io, output.signal);
    const code = await dispatch(argv, context);
    await flush(io);
    if (!output.signal.aborted) return code;
    const error = output.signal.reason as NodeJS.ErrnoException;
    if (error.code === "EPIPE") return 0;
    const failure = new InputError("STDOUT_FAILED", `Cannot write to stdout: ${describeFileError(error)}.`, {
      cause: error,
    });
    return await reportError({ ...context, json: false }, failure);
  } finally {
    io.stdout.off("error", onOutputError);
    io.stderr.off("error", ignore);
  }
}

async function dispatch(argv: readonly string[], context: CliContext): Promise<number> {
  let exitCode = 0;
  const program = createProgram(context, async (action) => {
    exitCode = (await action(context)) ?? 0;
  });
  try {
    await program.parseAsync(argv, { from: "user" });
    return exitCode;
  } catch (error) {
    // The verb was ended because of stdout; runCli says so.
    if (context.outputGone.aborted) return exitCode;
    if (!(error instanceof CommanderError)) return await reportError(context, error);
    if (error.exitCode === 0) return 0;
    // Without a verb commander has printed the help on stderr.
    if (error.code === "commander.help" && !context.json) return 2;
    return await reportError(context, usageError(error));
  }
}

function createProgram(context: CliContext, run: RunVerb): Command {
  const program = new Command("accllm")
    .description(
      "Quantize Llama-family models to W2A8KV4 and run them on an Alveo U280 or, bit for bit, on the CPU.",
    )
    .version(packageVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .option("--json", "print JSON only, on stdout")
    .option("--debug", "print stack traces with errors")
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => void context.stdout.write(text),
      writeErr: (text) => void (context.json || context.stderr.write(text)),
      // Errors are reported once, by reportError.
      outputError: () => {},
      getOutHelpWidth: () => context.stdout.columns || 100,
      getErrHelpWidth: () => context.stderr.columns || 100,
      getOutHasColors: () => context.out.isColorSupported,
      getErrHasColors: () => context.err.isColorSupported,
    })
    .exitOverride();
  addExamples(program, [
    ["run --prompt 'Once upon a time'", "a story by the demo model, on the emulator"],
    ["quantize ./my-llama -o my-llama.accllm", "make a model image of a checkpoint"],
    ["run my-llama.accllm --prompt Hello --json", "run it, one JSON object a token"],
  ]);
  for (const add of [
    addQuantize,
    addRun,
    addChat,
    addServe,
    addPerplexity,
    addBench,
    addVerify,
    addEstimate,
    addInspect,
    addDoctor,
    addDevices,
    addBuild,
    addFlash,
    addEnv,
  ]) {
    // Commands made by `command` inherit the settings above.
    add(program, run);
  }
  return program;
}

/** Global options are read ahead of parsing, because errors of parsing obey them too. */
function contextOf(argv: readonly string[], io: CliIo, outputGone: AbortSignal): CliContext {
  const end = argv.indexOf("--");
  const options = end < 0 ? argv : argv.slice(0, end);
  return createContext(io, {
    json: options.includes("--json"),
    debug: options.includes("--debug"),
    outputGone,
  });
}

/** commander's message "error: unknown option '--fo'\n(Did you mean --foo?)" as message and hint. */
function usageError(error: CommanderError): UsageError {
  if (error.code === "commander.help") {
    return new UsageError("NO_VERB", "No verb was given.", { hint: "See `accllm --help` for the verbs." });
  }
  const [message = "", ...rest] = error.message.replace(/^error: /, "").split("\n");
  const suggestion = rest
    .join(" ")
    .replace(/^\((.*)\)$/, "$1")
    .trim();
  const hint = [suggestion, "See `accllm --help` or `accllm <verb> --help`."].filter(Boolean).join(" ");
  return new UsageError("BAD_COMMAND_LINE", `${message.charAt(0).toUpperCase()}${message.slice(1)}.`, {
    hint,
  });
}

/** Waits until stdout has taken or refused everything. */
async function flush({ stdout }: CliIo): Promise<void> {
  if (stdout.destroyed || stdout.writableEnded) return;
  await new Promise<void>((resolve) => stdout.write("", () => resolve()));
  // A refused write is reported by an event on a later tick than its callback.
  await new Promise<void>((resolve) => setImmediate(resolve));
}
