import type { Readable, Writable } from "node:stream";
import picocolors from "picocolors";
import type { Services } from "./services.ts";

type Colors = ReturnType<typeof picocolors.createColors>;

/** A stream that may be a terminal. */
export type OutputStream = Writable & { readonly isTTY?: boolean; readonly columns?: number };
export type InputStream = Readable & { readonly isTTY?: boolean };

/** What the command line has to do with the outside: the process gives its own, tests give theirs. */
export interface CliIo {
  readonly stdin: InputStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: NodeJS.ProcessEnv;
  /** Fires on the first Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
  readonly services: Services;
}

/** What a verb works with. */
export interface CliContext extends CliIo {
  /** `--json`: machine-readable output only, on stdout. */
  readonly json: boolean;
  /** `--debug`: stack traces with errors. */
  readonly debug: boolean;
  /** Fires when stdout cannot be written any more; `signal` fires then too. */
  readonly outputGone: AbortSignal;
  /** Colors for stdout and stderr; they do nothing where the stream is no terminal or NO_COLOR is set. */
  readonly out: Colors;
  readonly err: Colors;
}

/** Adds what the global options say, and ends the work where stdout fails. */
export function createContext(
  io: CliIo,
  options: Pick<CliContext, "json" | "debug" | "outputGone">,
): CliContext {
  return {
    ...io,
    ...options,
    signal: AbortSignal.any([io.signal, options.outputGone]),
    out: colorsFor(io.stdout, io.env),
    err: colorsFor(io.stderr, io.env),
  };
}

/** https://no-color.org: NO_COLOR, when not empty, turns colors off. FORCE_COLOR turns them on without a terminal. */
export function colorsFor(stream: OutputStream, env: NodeJS.ProcessEnv): Colors {
  const wanted = stream.isTTY === true || Boolean(env.FORCE_COLOR);
  return picocolors.createColors(wanted && !env.NO_COLOR && env.TERM !== "dumb");
}

/** Writes and waits while the reader is behind; resolves also when the stream has gone. */
export async function write(stream: OutputStream, text: string): Promise<void> {
  if (stream.destroyed || stream.write(text) || stream.destroyed) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      for (const event of ["drain", "close", "error"]) stream.off(event, done);
      resolve();
    };
    for (const event of ["drain", "close", "error"]) stream.on(event, done);
  });
}

/** One JSON value on one line of stdout. */
export async function writeJson(context: CliContext, value: unknown): Promise<void> {
  await write(context.stdout, `${JSON.stringify(value)}\n`);
}
