/** One line of `accllm doctor` and `accllm devices`. */
export type CheckStatus = "ok" | "warn" | "fail";

export interface Check {
  readonly check: string;
  readonly status: CheckStatus;
  readonly detail: string;
  /** What to do; absent where nothing is to be done. */
  readonly hint?: string;
}

/** A device that --device can name. What a report does not say is absent. */
export interface DeviceEntry {
  readonly device: string;
  /** PCIe address of a card. */
  readonly bdf?: string;
  readonly shell?: string;
  /** Of the shell's logic. */
  readonly shellUuid?: string;
  /** Of the xclbin that is loaded. */
  readonly xclbinUuid?: string;
  /** Of the FPGA, in degrees Celsius. */
  readonly temperature?: number;
  /** Drawn by the whole card. */
  readonly watts?: number;
  readonly name: string;
  readonly status: CheckStatus;
  readonly detail: string;
  readonly hint?: string;
}
