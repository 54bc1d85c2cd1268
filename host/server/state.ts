import type { ModelService, ServiceState } from "./service.ts";

/** What the page shows of the device. Nothing in it names a file or a path of the host. */
export interface ServerState {
  readonly state: ServiceState;
  readonly queue: { readonly waiting: number; readonly limit: number; readonly running: boolean };
  /** Absent while no model is loaded. */
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

export function describeState(service: ModelService): ServerState {
  const { queue, loaded } = service;
  const base = {
    state: service.state,
    queue: { waiting: queue.depth, limit: queue.limit, running: queue.running },
  };
  if (loaded === undefined) return base;
  const { session, plan } = loaded;
  const seconds = session.modelledSecondsPerToken;
  return {
    ...base,
    model: {
      name: loaded.name,
      template: loaded.template.name,
      device: session.deviceName,
      engine: session.engine,
      promptLimit: session.promptLimit,
      modelledTokensPerSecond: seconds === undefined || seconds <= 0 ? null : 1 / seconds,
    },
    kv: { sinks: plan.sinks, window: plan.window, position: session.cachedTokens },
    memory: {
      banks: plan.platform.banks.map(({ name, bytes }) => ({ name, bytes })),
      buffers: plan.buffers.map(({ argument, bank, bytes }) => ({ name: argument, bank, bytes })),
    },
  };
}
