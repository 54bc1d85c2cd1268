import { openImage } from "../../quant/format/image.ts";
import type { EngineName } from "../config/engine.ts";
import { PowerMeter, type Span } from "../device/power.ts";
import { openSessions } from "../engine/load-several.ts";
import type { Session } from "../engine/session.ts";
import { UsageError } from "../errors.ts";
import { Xoshiro128 } from "../sampling/prng.ts";
import { type RateSummary, summarizeRates } from "./statistics.ts";

export interface BenchOptions {
  /** Model image. */
  readonly path: string;
  /** As in LoadOptions; several, "xrt:0,xrt:1", are measured at the same time and their rates summed. */
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
  /** Drawn by all cards together meanwhile, by their own sensors; absent where one has none. */
  readonly watts?: number;
  /** tokensPerSecond by watts; absent where no sensor was read. */
  readonly tokensPerJoule?: number;
}

export interface PrefillResult extends BenchResult {
  readonly tokens: number;
}

export interface DecodeResult extends BenchResult {
  readonly depth: number;
}

export interface BenchReport {
  readonly device: { readonly name: string; readonly engine: string };
  /** Devices that were measured together. */
  readonly devices: number;
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
 * With several devices every one does every case, and a case ends when the last of them has done it.
 * @throws UsageError, InputError, DeviceError, InterruptedError
 */
export async function benchImage(options: BenchOptions, hooks: BenchHooks = {}): Promise<BenchReport> {
  const { path, device, engine, threads, xclbin } = options;
  const { signal } = hooks;
  const image = await openImage(path);
  try {
    const sessions = await openSessions(image, { device, engine, threads, xclbin, signal });
    try {
      return await benchSessions(sessions, options, hooks);
    } finally {
      for (const session of sessions) await session.close();
    }
  } finally {
    await image.close();
  }
}

interface Case {
  readonly label: string;
  readonly tokens: number;
  readonly run: (session: Session) => Promise<void>;
  readonly prepare: (session: Session) => void;
  readonly rates: number[];
  /** When it was measured. */
  readonly spans: Span[];
  modelledSeconds: number;
}

/** As {@link benchImage}, on sessions of one model that are open already; they are at position 0 afterwards. */
export async function benchSessions(
  sessions: readonly Session[],
  { prefill, depths, decodeTokens, repetitions }: Omit<BenchOptions, "path">,
  { signal, progress }: BenchHooks = {},
): Promise<BenchReport> {
  const session = sessions[0]!;
  const lengths = prefill ?? lengthsFor(session.plan.sinks + session.plan.window);
  if (lengths.length === 0 || depths.length === 0) {
    throw new UsageError("EMPTY_BENCH", "There is no prompt length or no depth to measure.");
  }
  const random = new Xoshiro128(0);
  const token = () => random.nextUint32() % session.vocabSize;
  const caseOf = (label: string, tokens: number, prepare: Case["prepare"], run: Case["run"]): Case => ({
    label,
    tokens,
    prepare,
    run,
    rates: [],
    spans: [],
    modelledSeconds: 0,
  });
  const prefills = lengths.map((length) => {
    const ids = Array.from({ length }, token);
    return caseOf(
      `prefill ${length}`,
      length,
      (one) => one.reset(),
      async (one) => {
        await one.prefill(ids, signal);
      },
    );
  });
  const decodes = depths.map((depth) => {
    const ids = Array.from({ length: decodeTokens }, token);
    return caseOf(
      `decode at ${depth}`,
      decodeTokens,
      (one) => one.startAt(depth),
      async (one) => {
        for (const id of ids) await one.decode(id, signal);
      },
    );
  });
  const meters = sessions.flatMap(({ power }) => (power === undefined ? [] : [new PowerMeter(power)]));
  try {
    await runCases([...prefills, ...decodes], sessions, repetitions, progress);
  } finally {
    for (const meter of meters) meter.stop();
  }
  for (const one of sessions) one.reset();

  const result = (done: Case) => resultOf(done, sessions.length, meters);
  const prefillResults = prefills.map((done, i) => ({ tokens: lengths[i]!, ...result(done) }));
  const decodeResults = decodes.map((done, i) => ({ depth: depths[i]!, ...result(done) }));
  const main = prefillResults.reduce((longest, result) =>
    result.tokens > longest.tokens ? result : longest,
  );
  const first = decodeResults[0]!;
  return {
    device: { name: deviceNames(sessions), engine: session.engine },
    devices: sessions.length,
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
  sessions: readonly Session[],
  repetitions: number,
  progress: BenchHooks["progress"],
): Promise<void> {
  const total = (repetitions + 1) * cases.length;
  let done = 0;
  for (let round = 0; round <= repetitions; round++) {
    for (const one of cases) {
      progress?.(done++, total, one.label);
      for (const session of sessions) one.prepare(session);
      const before = sessions.map(({ modelledSeconds }) => modelledSeconds);
      const from = performance.now();
      await allOf(sessions.map(one.run));
      const to = performance.now();
      one.modelledSeconds = Math.max(...sessions.map((session, i) => session.modelledSeconds - before[i]!));
      if (round === 0) continue;
      one.rates.push((one.tokens * sessions.length) / ((to - from) / 1000));
      one.spans.push({ from, to });
    }
  }
  progress?.(total, total, "");
}

function resultOf(
  { tokens, rates, spans, modelledSeconds }: Case,
  devices: number,
  meters: readonly PowerMeter[],
): BenchResult {
  const summary = summarizeRates(rates);
  const drawn = meters.flatMap((meter) => meter.mean(spans) ?? []);
  // The sum says nothing while one of the devices is not in it.
  const watts = drawn.length === devices ? drawn.reduce((sum, one) => sum + one, 0) : undefined;
  return {
    ...summary,
    rates,
    modelledTokensPerSecond: modelledSeconds > 0 ? (tokens * devices) / modelledSeconds : null,
    ...(watts === undefined ? {} : { watts, tokensPerJoule: summary.tokensPerSecond / watts }),
  };
}

/** Waits for all of them, also after an error: none is left at work on a device that is about to be closed. */
async function allOf(work: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

/** "emulator (fast)", "2 x emulator (fast)", "xrt:0, xrt:1". */
function deviceNames(sessions: readonly Session[]): string {
  const names = [...new Set(sessions.map(({ deviceName }) => deviceName))];
  if (sessions.length > 1 && names.length === 1) return `${sessions.length} x ${names[0]}`;
  return names.join(", ");
}

function lengthsFor(span: number): number[] {
  const fitting = defaultLengths.filter((length) => length <= span);
  return fitting.length > 0 ? fitting : [span];
}
