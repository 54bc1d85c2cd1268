/** One line of `accllm doctor` and `accllm devices`. */
export type CheckStatus = "ok" | "warn" | "fail";

export interface Check {
  readonly check: string;
  readonly status: CheckStatus;
  readonly detail: string;
  /** What to do; absent where nothing is to be done. */
  readonly hint?: string;
}

/** A device that --device can name. */
export interface DeviceEntry {
  readonly device: string;
  readonly name: string;
  readonly status: CheckStatus;
  readonly detail: string;
  readonly hint?: string;
}
