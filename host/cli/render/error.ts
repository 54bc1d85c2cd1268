import { AccllmError, InputError, InterruptedError } from "../../errors.ts";
import { type CliContext, write, writeJson } from "../context.ts";

/** What a file system error means for the user: the file cannot be used as asked. */
const FILE_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "permission is denied",
  EPERM: "the operation is not permitted",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of the path is no folder",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  EROFS: "the file system is read-only",
  EMFILE: "too many files are open",
  ENAMETOOLONG: "the name is too long",
  ELOOP: "its links form a loop",
};

/** What went wrong with a file, for people. */
export function describeFileError(error: NodeJS.ErrnoException): string {
  return FILE_ERRORS[error.code ?? ""] ?? error.message;
}

/** Any thrown value as an error of the ladder; what does not belong to it is a bug with exit code 1. */
export function toAccllmError(error: unknown): AccllmError {
  if (error instanceof AccllmError) return error;
  if (error instanceof Error && error.name === "AbortError")
    return new InterruptedError("Interrupted.", { cause: error });
  const { code, path } = (error ?? {}) as NodeJS.ErrnoException;
  if (code !== undefined && Object.hasOwn(FILE_ERRORS, code)) {
    return new InputError(code, `Cannot use ${path ?? "a file"}: ${FILE_ERRORS[code]}.`, { cause: error });
  }
  const message = error instanceof Error ? error.message : String(error);
  return new AccllmError("INTERNAL", `Internal error: ${message}`, {
    hint: "This is a bug in accllm; please report it with the output of the same command and --debug.",
    cause: error,
  });
}

/**
 * Reports an error: one paragraph on stderr, or with --json one object on stdout; a stack only with --debug.
 * @returns the exit code
 */
export async function reportError(context: CliContext, thrown: unknown): Promise<number> {
  const error = toAccllmError(thrown);
  if (context.json) {
    const { code, message, hint } = error;
    await writeJson(context, { error: { code, message, ...(hint === undefined ? {} : { hint }) } });
  } else if (error instanceof InterruptedError) {
    await write(context.stderr, `${context.err.yellow(error.message)}\n`);
  } else {
    const paragraph = [error.message, error.hint]
      .filter(Boolean)
      .join(" ")
      .replace(/\s*\n\s*/g, " ");
    await write(context.stderr, `${context.err.red("error:")} ${paragraph}\n`);
  }
  if (context.debug) await write(context.stderr, `${context.err.dim(stackOf(error))}\n`);
  return error.exitCode;
}

/** The stacks of an error and its causes. */
function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.stack ?? error.message;
  return error.cause === undefined ? own : `${own}\nCaused by: ${stackOf(error.cause)}`;
}
