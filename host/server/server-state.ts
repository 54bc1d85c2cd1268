/** lost: the device failed and the model is being loaded again. */
export type ServiceState = "loading" | "ready" | "lost" | "draining";

/** What the page shows of the device. Nothing in it names a file or a path of the host. */
export interface ServerState {
  readonly state: ServiceState;
  readonly queue: { readonly waiting: number; readonly limit: number; readonly running: boolean };
  /** All of them, in the order in which they were named; absent while no model is loaded. */
  readonly devices?: readonly {
    readonly state: Exclude<ServiceState, "draining">;
    readonly name?: string;
    /** Tokens of the sequence that is in its cache. */
    readonly position?: number;
  }[];
  /** On the first device that has it. Absent while no model is loaded. */
  readonly model?: {
    readonly name: string;
    readonly template: string;
    readonly device: string;
    readonly engine: string;
    readonly promptLimit: number;
    readonly modelledTokensPerSecond: number | null;
  };
  readonly kv?: {
    readonly sinks: number;
    readonly window: number;
    /** Tokens of the sequence that is in the cache. */
    readonly position: number;
  };
  readonly memory?: {
    readonly banks: readonly { readonly name: string; readonly bytes: number }[];
    /** `bank` is an index of `banks`. */
    readonly buffers: readonly { readonly name: string; readonly bank: number; readonly bytes: number }[];
  };
}
