/** Something the user has to put right: told as one paragraph, without a stack trace. */
export class SetupFailure extends Error {
  /**
   * @param {string} message one paragraph: what failed, with which file or value
   * @param {{ hint?: string, output?: string[], exitCode?: number }} [detail] `hint`: what to do next; `output`:
   *   last lines of the command that failed; `exitCode`: 5 (toolchain) unless told otherwise
   */
  constructor(message, detail = {}) {
    super(message);
    this.name = "SetupFailure";
    this.hint = detail.hint;
    this.output = detail.output ?? [];
    this.exitCode = detail.exitCode ?? 5;
  }
}

/** Ctrl-C, or another signal that asks the process to end. */
export class Interrupted extends Error {
  /** @param {NodeJS.Signals} signal */
  constructor(signal) {
    super(`Interrupted by ${signal}.`);
    this.name = "Interrupted";
    this.exitCode = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[/** @type {string} */ (signal)] ?? 130;
  }
}
