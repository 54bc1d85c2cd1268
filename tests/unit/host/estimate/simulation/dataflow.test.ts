import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DescriptorWork } from "../../../../../host/estimate/descriptor-work.ts";
import { knownModel } from "../../../../../host/estimate/model-shapes.ts";
import { Schedule, type Work } from "../../../../../host/estimate/schedule.ts";
import { simulate } from "../../../../../host/estimate/simulation/dataflow.ts";
import { commandStream, plannedHeader } from "../../../../../host/estimate/workload.ts";
import type { ModelConfig } from "../../../../../quant/format/model.ts";
import { platforms } from "../../../../../quant/format/platform.ts";
import {
  channelRate,
  refreshAt,
  type TimingParameters,
  timingParameters,
} from "../../../../../quant/format/timing.ts";

function closedForm(items: readonly Work[], p: TimingParameters): number {
  const schedule = new Schedule(p);
  schedule.cycles(items);
  return schedule.end;
}

/** A design, a model of two layers and a job, all drawn. */
const configuration = fc.record({
  channels: fc.constantFrom(4, 8, 16, 28, 32),
  // The shallowest do not cover the beats under way during the read latency.
  prefetchBeats: fc.constantFrom(128, 256, 512, 1024, 2048, 4096, 8192),
  cacheBeats: fc.constantFrom(128, 256, 512, 1024, 4096),
  arrayBanks: fc.constantFrom(1, 2, 4),
  floatLanes: fc.constantFrom(4, 8, 16, 32, 64),
  meanHeads: fc.constantFrom(2, 8, 16, 64),
  scaleBeatTime: fc.integer({ min: 1, max: 6 }),
  cacheWriteLatency: fc.integer({ min: 0, max: 400 }),
  attentionLanes: fc.constantFrom(8, 16, 32),
  clockMHz: fc.integer({ min: 150, max: 330 }),
  sharedChannels: fc.constantFrom(0, 1),
  readLatency: fc.integer({ min: 20, max: 200 }),
  hidden: fc.integer({ min: 8, max: 80 }).map((n) => 64 * n),
  inner: fc.integer({ min: 16, max: 200 }).map((n) => 64 * n),
  kvHeads: fc.constantFrom(1, 2, 4, 8, 16, 32),
  group: fc.constantFrom(1, 2, 4),
  weights: fc.constantFrom("w2s24", "w2", "w4", "w8"),
  tokens: fc.integer({ min: 1, max: 16 }),
  position: fc.integer({ min: 0, max: 5000 }),
} as const);

function itemsOf(
  c: typeof configuration extends fc.Arbitrary<infer T> ? T : never,
  p: TimingParameters,
): Work[] {
  const base = knownModel("llama-2-7b")!;
  const model: ModelConfig = {
    ...base,
    hiddenSize: c.hidden,
    intermediateSize: c.inner,
    layers: 2,
    kvHeads: c.kvHeads,
    heads: c.kvHeads * c.group,
    headDim: 64,
    vocabSize: 4000,
  };
  const platform = { ...platforms.u280!, weightChannels: c.channels, kvChannels: c.channels };
  const window = { sinks: 4, window: 2044 };
  const header = plannedHeader(model, platform, { weights: c.weights, lmHead: "w8" }, window);
  const job = { tokens: c.tokens, position: c.position, firstLogit: c.tokens - 1 };
  const channels = { weight: c.channels, kv: c.channels };
  const stream = new DescriptorWork(job, channels, p);
  return commandStream(header, platform, window).flatMap((d) => stream.next(d));
}

describe("the closed form against the simulated dataflow", () => {
  it.each([7, 8])("agrees within 5 percent on 200 random configurations (seed %i)", (seed) => {
    const errors = fc.sample(configuration, { numRuns: 200, seed }).map((c) => {
      const beatsPer10kCycles = channelRate(platforms.u280!.channelBytesPerSecond, c.clockMHz, 64);
      const p: TimingParameters = {
        ...timingParameters,
        ...refreshAt(c.clockMHz),
        ...pick(c),
        beatsPer10kCycles,
      };
      const items = itemsOf(c, p);
      const simulated = simulate(items, p);
      return { error: closedForm(items, p) / simulated - 1, simulated, c };
    });
    const worst = errors.toSorted((a, b) => Math.abs(b.error) - Math.abs(a.error)).slice(0, 8);
    expect(errors.length).toBe(200);
    expect(Math.abs(worst[0]!.error), JSON.stringify(worst[0])).toBeLessThan(0.05);
  });
});

describe("the simulated dataflow", () => {
  const p: TimingParameters = {
    ...timingParameters,
    beatsPer10kCycles: 9200,
    readLatency: 50,
    jobLatency: 10,
    burstBeats: 10,
    // Peak of a beat a cycle; a refresh of 80 cycles every 1,000 from cycle 0 on.
    refreshInterval: 1000,
    refreshCycles: 80,
    refreshTimes: 1,
  };

  it("takes the times that a hand finds for one matrix", () => {
    // 100 beats: the channel waits from 10 to 80 and delivers until 180; 50 later the last burst, 5 to compute it.
    const fast: Work = { kind: "matrix", beats: 100, compute: 50, feed: 0, keys: false };
    expect(simulate([fast], p, 0)).toBeCloseTo(235 + p.matrixLatency, 6);
    // The first burst is there at 140; a slow array never waits after it.
    const slow: Work = { kind: "matrix", beats: 100, compute: 5000, feed: 0, keys: false };
    expect(simulate([slow], p, 0)).toBeCloseTo(140 + 5000 + p.matrixLatency, 6);
  });

  it("hides fetching behind other work as far as the FIFO is deep", () => {
    const items: Work[] = [
      { kind: "elementwise", before: 2000 },
      { kind: "matrix", beats: 1000, compute: 100, feed: 0, keys: false },
    ];
    const ends = [20, 500, 1000].map((prefetchBeats) => simulate(items, { ...p, prefetchBeats }, 0));
    expect(ends[2]).toBeCloseTo(10 + 2000 + p.elementwiseLatency + 100 + p.matrixLatency, 6);
    expect(ends[1]! - ends[2]!).toBeGreaterThan(400);
    expect(ends[0]! - ends[1]!).toBeGreaterThan(400);
  });

  it("fetches no cache before the descriptor in front has ended", () => {
    const attention: Work = {
      kind: "attention",
      keyBeats: 500,
      valueBeats: 500,
      keyCompute: 0,
      valueCompute: 0,
      mean: 0,
      exponentials: 0,
      before: 0,
      behind: 0,
      ahead: false,
    };
    const end = simulate([{ kind: "elementwise", before: 3000 }, attention], p, 0);
    expect(end).toBeGreaterThan(3000 + 1000);
  });
});

describe("a token of Llama-2-7B", () => {
  it.each([512, 2046])("at context %i takes the same time in both, within 5 percent", (context) => {
    const window = { sinks: 2, window: 2044 };
    const platform = platforms.u280!;
    const header = plannedHeader(
      knownModel("llama-2-7b")!,
      platform,
      { weights: "w2s24", lmHead: "w8" },
      window,
    );
    const job = { tokens: 1, position: context - 1, firstLogit: 0 };
    const channels = { weight: platform.weightChannels, kv: platform.kvChannels };
    const stream = new DescriptorWork(job, channels, timingParameters);
    const items = commandStream(header, platform, window).flatMap((d) => stream.next(d));
    const ratio = closedForm(items, timingParameters) / simulate(items, timingParameters);
    expect(Math.abs(ratio - 1)).toBeLessThan(0.05);
  });
});

function pick(c: { readonly [K in keyof TimingParameters]?: number }): Partial<TimingParameters> {
  return Object.fromEntries(
    Object.entries(c).filter(([name]) => name in timingParameters),
  ) as Partial<TimingParameters>;
}
