import { openImage } from "../../quant/format/image.ts";
import type { EngineName } from "../config/engine.ts";
import { openSession } from "../engine/load.ts";
import type { Session } from "../engine/session.ts";
import { UsageError } from "../errors.ts";
import { Xoshiro128 } from "../sampling/prng.ts";
import { type RateSummary, summarizeRates } from "./statistics.ts";

export interface BenchOptions {
  /** Model image. */
  readonly path: string;
  /** As in LoadOptions. */
  readonly device?: string | undefined;
  readonly engine?: EngineName | undefined;
  readonly threads?: number | undefined;
  readonly xclbin?: string | undefined;
  /** Lengths of the prompts; default those of 16, 128 and 512 that the window takes. */
  readonly prefill?: readonly number[] | undefined;
  /** Tokens that are before the first decoded one. */
  readonly depths: readonly number[];
  /** Tokens decoded in one repetition. */
  readonly decodeTokens: number;
  readonly repetitions: number;
}

export interface BenchHooks {
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ((done: number, total: number, label: string) => void) | undefined;
}

/** One case: its rates on this machine, and the rate that the cycle counters give for the card. */
export interface BenchResult extends RateSummary {
  /** Of every repetition, in order. */
  readonly rates: readonly number[];
  /** null where nothing was counted. */
  readonly modelledTokensPerSecond: number | null;
}

export interface PrefillResult extends BenchResult {
  readonly tokens: number;
}

export interface DecodeResult extends BenchResult {
  readonly depth: number;
}

export interface BenchReport {
  readonly device: { readonly name: string; readonly engine: string };
  readonly decodeTokens: number;
  readonly repetitions: number;
  /** The longest prompt. */
  readonly prefill: PrefillResult;
  /** The first depth. */
  readonly decode: DecodeResult;
  /** Of these two; null where nothing was counted. */
  readonly modelled: {
    readonly prefillTokensPerSecond: number | null;
    readonly decodeTokensPerSecond: number | null;
  };
  readonly prefills: readonly PrefillResult[];
  readonly decodes: readonly DecodeResult[];
}

const defaultLengths = [16, 128, 512];

/**
 * Measures prefill at several lengths and decode at several depths. The cases take turns, so that a busy machine
 * disturbs all of them alike; one round before the first counted one lays out weights and warms caches. Sampling is
 * not counted. Decode at a depth starts there without running what is before it: the cache's content does not
 * change what attention costs.
 * @throws UsageError, InputError, DeviceError, InterruptedError
 */
export async function benchImage(options: BenchOptions, hooks: BenchHooks = {}): Promise<BenchReport> {
  const { path, device, engine, threads, xclbin } = options;
  const { signal } = hooks;
  const image = await openImage(path);
  try {
    const session = await openSession(image, { device, engine, threads, xclbin, signal });
    try {
      return await benchSession(session, options, hooks);
    } finally {
      await session.close();
    }
  } finally {
    await image.close();
  }
}

interface Case {
  readonly label: string;
  readonly tokens: number;
  readonly run: () => Promise<void>;
  readonly prepare: () => void;
  readonly rates: number[];
  modelledSeconds: number;
}

/** As {@link benchImage}, on a session that is open already; it is at position 0 afterwards. */
export async function benchSession(
  session: Session,
  { prefill, depths, decodeTokens, repetitions }: Omit<BenchOptions, "path">,
  { signal, progress }: BenchHooks = {},
): Promise<BenchReport> {
  const lengths = prefill ?? lengthsFor(session.plan.sinks + session.plan.window);
  if (lengths.length === 0 || depths.length === 0) {
    throw new UsageError("EMPTY_BENCH", "There is no prompt length or no depth to measure.");
  }
  const random = new Xoshiro128(0);
  const token = () => random.nextUint32() % session.vocabSize;
  const caseOf = (label: string, tokens: number, prepare: () => void, run: () => Promise<void>): Case => ({
    label,
    tokens,
    prepare,
    run,
    rates: [],
    modelledSeconds: 0,
  });
  const prefills = lengths.map((length) => {
    const ids = Array.from({ length }, token);
    return caseOf(
      `prefill ${length}`,
      length,
      () => session.reset(),
      async () => {
        await session.prefill(ids, signal);
      },
    );
  });
  const decodes = depths.map((depth) => {
    const ids = Array.from({ length: decodeTokens }, token);
    return caseOf(
      `decode at ${depth}`,
      decodeTokens,
      () => session.startAt(depth),
      async () => {
        for (const id of ids) await session.decode(id, signal);
      },
    );
  });
  await runCases([...prefills, ...decodes], session, repetitions, progress);
  session.reset();

  const prefillResults = prefills.map((done, i) => ({ tokens: lengths[i]!, ...resultOf(done) }));
  const decodeResults = decodes.map((done, i) => ({ depth: depths[i]!, ...resultOf(done) }));
  const main = prefillResults.reduce((longest, result) =>
    result.tokens > longest.tokens ? result : longest,
  );
  const first = decodeResults[0]!;
  return {
    device: { name: session.deviceName, engine: session.engine },
    decodeTokens,
    repetitions,
    prefill: main,
    decode: first,
    modelled: {
      prefillTokensPerSecond: main.modelledTokensPerSecond,
      decodeTokensPerSecond: first.modelledTokensPerSecond,
    },
    prefills: prefillResults,
    decodes: decodeResults,
  };
}

async function runCases(
  cases: readonly Case[],
  session: Session,
  repetitions: number,
  progress: BenchHooks["progress"],
): Promise<void> {
  const total = (repetitions + 1) * cases.length;
  let done = 0;
  for (let round = 0; round <= repetitions; round++) {
    for (const one of cases) {
      progress?.(done++, total, one.label);
      one.prepare();
      const before = session.modelledSeconds;
      const start = performance.now();
      await one.run();
      const seconds = (performance.now() - start) / 1000;
      one.modelledSeconds = session.modelledSeconds - before;
      if (round > 0) one.rates.push(one.tokens / seconds);
    }
  }
  progress?.(total, total, "");
}

function resultOf({ tokens, rates, modelledSeconds }: Case): BenchResult {
  return {
    ...summarizeRates(rates),
    rates,
    modelledTokensPerSecond: modelledSeconds > 0 ? tokens / modelledSeconds : null,
  };
}

function lengthsFor(span: number): number[] {
  const fitting = defaultLengths.filter((length) => length <= span);
  return fitting.length > 0 ? fitting : [span];
}
