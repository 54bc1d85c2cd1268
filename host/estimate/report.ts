import type { WeightFormat } from "../../quant/format/weight-layout.ts";
import { UsageError } from "../errors.ts";
import { type DesignChange, designOf } from "./design.ts";
import { type Estimate, estimate } from "./estimate.ts";
import { headerOf } from "./source.ts";

export const sweepNames = ["channels", "array", "clock"] as const;
export type SweepName = (typeof sweepNames)[number];

export interface EstimateRequest {
  /** Known model's name, image, config.json or a folder with one. */
  readonly source: string;
  readonly platform: string;
  /** Tokens in the cache when a token is decoded, itself included; length of the prompt for prefill. */
  readonly context: number;
  /** Format of the layers' matrices; an image has its own. */
  readonly weights: WeightFormat;
  /** Format of the output matrix; an image has its own. */
  readonly lmHead: WeightFormat;
  /** Default: the image's, else 4 and 2044. */
  readonly sinks?: number | undefined;
  readonly window?: number | undefined;
  readonly clockMHz?: number | undefined;
  readonly sweep?: SweepName | undefined;
}

export interface EstimateReport extends Estimate {
  readonly model: string;
  /** Estimates of the designs that the sweep goes through, without their modules. */
  readonly sweep?: readonly Omit<Estimate, "modules">[];
}

const defaultWindow = { sinks: 4, window: 2044 };

/** What a sweep goes through: weight channels, banks of multipliers a channel, kernel clocks in MHz. */
const sweeps: Readonly<Record<SweepName, readonly DesignChange[]>> = {
  channels: [8, 16, 20, 24, 28, 30, 32].map((channels) => ({ channels })),
  array: [1, 2, 4, 8].map((arrayBanks) => ({ arrayBanks })),
  clock: [150, 175, 200, 225, 250, 275, 300].map((clockMHz) => ({ clockMHz })),
};

/** @throws UsageError for an unknown platform or a context below 1, InputError for a model that cannot be read */
export async function estimateReport(request: EstimateRequest): Promise<EstimateReport> {
  const { source, context, clockMHz } = request;
  if (!Number.isInteger(context) || context < 1) {
    throw new UsageError("BAD_CONTEXT", `The context cannot be ${context}; it is a whole number from 1 on.`);
  }
  const design = designOf(request.platform, { clockMHz });
  const chosen = {
    sinks: request.sinks ?? defaultWindow.sinks,
    window: request.window ?? defaultWindow.window,
  };
  const choice = { weights: request.weights, lmHead: request.lmHead };
  const header = await headerOf(source, design.platform, choice, chosen);
  const window = { sinks: request.sinks ?? header.kv.sinks, window: request.window ?? header.kv.window };
  const base = { model: source, ...estimate(header, design, context, window) };
  if (request.sweep === undefined) return base;
  const sweep = sweeps[request.sweep].map((change) => {
    const { modules: _, ...rest } = estimate(
      header,
      designOf(request.platform, { clockMHz, ...change }),
      context,
      window,
    );
    return rest;
  });
  return { ...base, sweep };
}
