import { type GenerationOptions, parseGeneration } from "../config/generation.ts";
import { PowerMeter, type PowerSensor } from "../device/power.ts";
import { InterruptedError } from "../errors.ts";
import { Sampler } from "../sampling/sampler.ts";
import { LongText } from "../text/long-text.ts";
import { StopFilter } from "../text/stop.ts";
import { promptIds } from "./prompt-ids.ts";
import { RunAhead } from "./run-ahead.ts";
import { Stopwatch } from "./stopwatch.ts";

/** One sequence on one device: a KV cache and the position in it. */
export interface Session {
  /**
   * Runs the prompt, at least one token, and resolves with the logits [vocabulary] after its last token. They may be
   * changed, and are valid until the next call.
   */
  prefill(ids: readonly number[], signal?: AbortSignal): Promise<Float32Array>;
  /**
   * Runs one token and resolves with the logits [vocabulary] after it, as `prefill`. The run begins before this returns;
   * nothing else may be called until it has ended.
   */
  decode(id: number, signal?: AbortSignal): Promise<Float32Array>;
  /**
   * Runs a text, at least one token, and resolves with the hidden states [hiddenSize] after the final norm of its
   * tokens from index `from` on.
   */
  hiddenStates(ids: readonly number[], from: number, signal?: AbortSignal): Promise<Float32Array[]>;
  /** Tokens run since the last reset. */
  readonly position: number;
  /** Most tokens, prompt and completion together, that a sequence may have. */
  readonly maxPositions: number;
  /** Forgets the sequence; the next call is a prefill. */
  reset(): void;
  /** Ends a call that is under way, then frees the device. */
  close(): Promise<void>;
  readonly deviceName: string;
  readonly engine: string;
  /** Modelled seconds per decoded token on the card, undefined where nothing was modelled. */
  readonly modelledSecondsPerToken?: number | undefined;
  /** What the card draws; absent where there is no card. */
  readonly power?: PowerSensor | undefined;
}

/** Token ids of one stream turned into text piece by piece; bytes of an unfinished character are held back. */
export interface TokenDecoder {
  push(id: number): string;
  /** What was held back, as replacement characters where it is no text. */
  flush(): string;
}

/** A model's text side. */
export interface TextCodec {
  readonly vocabSize: number;
  readonly eosIds: readonly number[];
  /** Ids of a prompt, with the beginning-of-sequence token in front where the model has one. */
  encode(text: string): readonly number[];
  /** A decoder for what follows the prompt. */
  decoder(prompt: readonly number[]): TokenDecoder;
  /** One token's text by itself. */
  tokenText(id: number): string;
}

export interface TopLogprob {
  readonly id: number;
  readonly text: string;
  readonly logprob: number;
}

/**
 * One sampled token. `text` is what may be shown now: empty while a character or a stop string is undecided. The
 * end-of-sequence token gives an event too, with what was still held back as its text.
 */
export interface TokenEvent {
  readonly type: "token";
  /** 0 for the first sampled token. */
  readonly index: number;
  readonly id: number;
  readonly text: string;
  /** Natural logarithm of the token's probability under the model, where logprobs were asked for. */
  readonly logprob?: number;
  /** The most likely tokens, best first, where logprobs of more than 0 tokens were asked for. */
  readonly topLogprobs?: readonly TopLogprob[];
}

/** Why a text ended: a stop string, the token limit, the model's end-of-sequence token, the caller's signal. */
export type DoneReason = "stop" | "length" | "eos" | "cancelled";

export interface DoneEvent {
  readonly type: "done";
  readonly reason: DoneReason;
  /** All token events' text in a row. */
  readonly text: string;
  readonly promptTokens: number;
  /** Sampled tokens, the end-of-sequence token included. */
  readonly completionTokens: number;
  /** The seed that reproduces this text. */
  readonly seed: number;
  readonly timings: {
    readonly prefillSeconds: number;
    /** Time spent on tokens after the first, without the time that the caller took while nothing ran. */
    readonly decodeSeconds: number;
    /** Tokens after the first by decodeSeconds; null where there was only one. */
    readonly decodeTokensPerSecond: number | null;
  };
  readonly device: {
    readonly name: string;
    readonly engine: string;
    /** What the timing model says for the card; null where nothing was modelled. */
    readonly modelledDecodeTokensPerSecond: number | null;
    /** Drawn by the card while it decoded, by its own sensor; absent where none was read. */
    readonly watts?: number;
    /** Decoded tokens by what they took of that; absent where no sensor was read. */
    readonly tokensPerJoule?: number;
  };
}

/** A grammar that the text has to follow. */
export interface TokenConstraint {
  /** Sets the logits of tokens that cannot come next to -Infinity. */
  restrict(logits: Float32Array): void;
  accept(id: number): void;
  /** The text is whole and nothing may follow. */
  readonly complete: boolean;
}

export interface GenerateOptions extends GenerationOptions {
  /** Made anew for every text. */
  readonly constraint?: TokenConstraint | undefined;
  /** Ends the text early, with reason "cancelled". */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Generates a text: runs the prompt, then samples and runs tokens until a stop string, the end-of-sequence token,
 * the token limit or the signal. Yields every token and returns the summary. The session is reset at the end, also
 * where the caller leaves the loop early or an error is thrown.
 *
 * A token that is not the text's last is run as soon as that is known, and its text is made and taken by the caller
 * meanwhile. An error of that run is thrown at the next step. A caller that leaves the loop waits for it: the session
 * then has run the token that was yielded last.
 * @param prompt text, or token ids to run as they are
 * @throws UsageError for an empty prompt, one longer than the session allows, or settings out of range;
 *   DeviceError from the session
 */
export async function* generate(
  session: Session,
  codec: TextCodec,
  prompt: string | readonly number[],
  options: GenerateOptions = {},
): AsyncGenerator<TokenEvent, DoneEvent, undefined> {
  const { signal, constraint, ...given } = options;
  const settings = parseGeneration(given);
  const ids = promptIds(codec, prompt, session.maxPositions);
  const sampler = new Sampler(settings);
  for (const id of ids) sampler.accept(id);

  const decoder = codec.decoder(ids);
  const stop = new StopFilter(settings.stop);
  const clock = new Stopwatch();
  let prefillSeconds = 0;
  const text = new LongText();
  let completionTokens = 0;
  let reason: DoneReason | undefined;
  let decodeFrom = 0;
  let meter: PowerMeter | undefined;
  let ahead: RunAhead | undefined;

  session.reset();
  try {
    signal?.throwIfAborted();
    let logits = await session.prefill(ids, signal);
    prefillSeconds = clock.lap();
    decodeFrom = performance.now();
    if (session.power !== undefined) meter = new PowerMeter(session.power);
    while (reason === undefined) {
      constraint?.restrict(logits);
      const { id, logprobs } = sampler.sample(logits);
      constraint?.accept(id);
      const isEnd = !settings.ignoreEos && codec.eosIds.includes(id);
      completionTokens++;
      const full = completionTokens === settings.maxTokens || session.position >= session.maxPositions;
      const whole = constraint?.complete === true;
      const isLast = isEnd || full || whole;
      const goesOn = !isLast && signal?.aborted !== true;
      // Only stop strings make the text decide whether to go on.
      if (goesOn && settings.stop.length === 0) ahead = new RunAhead(session.decode(id, signal));
      const step = isEnd ? { text: "", stopped: false } : stop.push(decoder.push(id));
      let shown = step.text;
      if (step.stopped) reason = "stop";
      else if (isLast) {
        const tail = stop.push(decoder.flush());
        shown += tail.text + stop.flush();
        reason = tail.stopped || (whole && !isEnd) ? "stop" : isEnd ? "eos" : "length";
      } else if (goesOn) ahead ??= new RunAhead(session.decode(id, signal));
      text.add(shown);
      const yielded = performance.now();
      yield {
        type: "token",
        index: completionTokens - 1,
        id,
        text: shown,
        ...(logprobs === undefined ? {} : describeLogprobs(codec, logprobs)),
      };
      clock.skipFrom(Math.max(yielded, ahead?.end() ?? yielded));
      if (reason !== undefined) break;
      signal?.throwIfAborted();
      logits = await ahead!.logits;
      ahead = undefined;
    }
  } catch (error) {
    if (!isAbort(error, signal)) throw error;
    reason = "cancelled";
  } finally {
    meter?.stop();
    await ahead?.settled;
    session.reset();
  }

  const decodeSeconds = clock.lap();
  const decoded = completionTokens - 1;
  const modelled = session.modelledSecondsPerToken;
  const rate = decoded > 0 && decodeSeconds > 0 ? decoded / decodeSeconds : null;
  const watts = meter?.mean([{ from: decodeFrom, to: performance.now() }]);
  return {
    type: "done",
    reason: reason ?? "cancelled",
    text: text.toString(),
    promptTokens: ids.length,
    completionTokens,
    seed: sampler.seed,
    timings: {
      prefillSeconds,
      decodeSeconds,
      decodeTokensPerSecond: rate,
    },
    device: {
      name: session.deviceName,
      engine: session.engine,
      modelledDecodeTokensPerSecond: modelled === undefined || modelled <= 0 ? null : 1 / modelled,
      ...(watts === undefined ? {} : { watts }),
      ...(watts === undefined || rate === null ? {} : { tokensPerJoule: rate / watts }),
    },
  };
}

function describeLogprobs(
  codec: TextCodec,
  { logprob, top }: { logprob: number; top: readonly { id: number; logprob: number }[] },
): Pick<TokenEvent, "logprob" | "topLogprobs"> {
  if (top.length === 0) return { logprob };
  return { logprob, topLogprobs: top.map((token) => ({ ...token, text: codec.tokenText(token.id) })) };
}

function isAbort(error: unknown, signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true && (error === signal.reason || error instanceof InterruptedError);
}
