/**
 * One ladder of errors. Each has a stable `code`, one paragraph of message, an optional `hint` that says what
 * to do next, the `cause`, and the exit code of the command line (docs/errors in design: 1 bug, 2 usage,
 * 3 bad input file, 4 device, 5 toolchain, 130 interrupted).
 */
export interface ErrorDetail {
  /** What the user can do next; one sentence. */
  readonly hint?: string;
  readonly cause?: unknown;
}

export class AccllmError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  readonly exitCode: number = 1;

  constructor(code: string, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = new.target.name;
    this.code = code;
    this.hint = detail.hint;
  }
}

/** A command or call that cannot be carried out as asked: wrong option, empty prompt, prompt over the window. */
export class UsageError extends AccllmError {
  override readonly exitCode = 2;
}

/** A file that is not what it should be: truncated, wrong shape, NaN weights, unknown architecture. */
export class InputError extends AccllmError {
  override readonly exitCode = 3;
}

/** Card, driver, bitstream or emulator: anything behind the XRT boundary. */
export class DeviceError extends AccllmError {
  override readonly exitCode = 4;
}

/** A tool that is missing or failed: v++, cmake, a compiler. */
export class ToolchainError extends AccllmError {
  override readonly exitCode = 5;
}

/** Ctrl-C or an AbortSignal. */
export class InterruptedError extends AccllmError {
  override readonly exitCode = 130;

  constructor(message = "Interrupted.", detail: ErrorDetail = {}) {
    super("INTERRUPTED", message, detail);
  }
}
