import type { ServerState } from "./server-state.ts";
import type { ModelService } from "./service.ts";

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
    devices: service.engines.map(({ state, model }) => ({
      state,
      ...(model === undefined
        ? {}
        : { name: model.session.deviceName, position: model.session.cachedTokens }),
    })),
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
