import { InputError, InterruptedError, UsageError } from "../../host/errors.ts";

/** Anything that predicts tokens: the float model or an engine that runs an image. */
export interface LogitsSource {
  /** Forgets the sequence, so that the next token is at position 0. */
  reset(): void | Promise<void>;
  /** Appends tokens and yields the logits [vocabulary] after each; an array is valid until the next is asked for. */
  logits(ids: readonly number[], signal?: AbortSignal): AsyncIterable<Float32Array>;
}

export interface PerplexityOptions {
  /** Ids of the whole text, without a token in front. */
  readonly ids: readonly number[];
  /** Put in front of every window. */
  readonly bosId: number;
  /** Positions of a window, BOS included; at least 2. */
  readonly context: number;
  /** Stop after predicting this many tokens; default: the whole text. */
  readonly maxTokens?: number;
  /** Called after every window. */
  readonly onProgress?: (progress: PerplexityProgress) => void;
  readonly signal?: AbortSignal;
}

export interface PerplexityProgress {
  /** Tokens predicted so far. */
  readonly tokens: number;
  /** Tokens to predict in all. */
  readonly total: number;
  /** Mean loss so far, nats per token. */
  readonly nll: number;
}

export interface PerplexityResult {
  /** Predicted tokens. */
  readonly tokens: number;
  /** Mean negative log-likelihood, nats per token. */
  readonly nll: number;
  /** exp(nll). */
  readonly perplexity: number;
  readonly seconds: number;
}

/**
 * Measures perplexity: the ids are cut into windows of `context` - 1, each is run with BOS in front and nothing
 * remembered, and every token but BOS is predicted from those before it. The last window may be shorter.
 * @param sources one, or several of the same model that share the windows; the result is the same to the last bit
 * @throws UsageError for an empty text or a context below 2, InputError for ids outside the vocabulary,
 *   InterruptedError when the signal fires.
 */
export async function measurePerplexity(
  sources: LogitsSource | readonly LogitsSource[],
  options: PerplexityOptions,
): Promise<PerplexityResult> {
  const { ids, bosId, context, onProgress, signal } = options;
  const total = Math.min(ids.length, options.maxTokens ?? ids.length);
  if (context < 2)
    throw new UsageError("CONTEXT_TOO_SHORT", `A context of ${context} leaves nothing to predict.`);
  if (total < 1) throw new UsageError("TEXT_EMPTY", "There is no token to predict: the text is empty.");

  const started = performance.now();
  const windows: (readonly number[])[] = [];
  for (let start = 0; start < total; start += context - 1) {
    windows.push(ids.slice(start, Math.min(start + context - 1, total)));
  }
  const losses = new Float64Array(windows.length);
  const waiting = windows.entries();
  let done = 0;
  let soFar = 0;
  let failed = false;
  const lane = async (source: LogitsSource): Promise<void> => {
    for (const [index, targets] of waiting) {
      if (failed) return;
      try {
        losses[index] = await windowLoss(source, bosId, targets, signal);
      } catch (error) {
        failed = true;
        throw error;
      }
      done += targets.length;
      soFar += losses[index]!;
      onProgress?.({ tokens: done, total, nll: soFar / done });
    }
  };
  const lanes = await Promise.allSettled([sources].flat().map(lane));
  const rejected = lanes.find((result) => result.status === "rejected");
  if (rejected !== undefined) throw rejected.reason;
  // In the windows' order, whoever measured them.
  const nll = losses.reduce((sum, loss) => sum + loss, 0) / total;
  return { tokens: total, nll, perplexity: Math.exp(nll), seconds: (performance.now() - started) / 1000 };
}

/** Sum of the losses of `targets`, predicted from BOS on. */
async function windowLoss(
  source: LogitsSource,
  bosId: number,
  targets: readonly number[],
  signal: AbortSignal | undefined,
): Promise<number> {
  await source.reset();
  let loss = 0;
  let next = 0;
  for await (const logits of source.logits([bosId, ...targets.slice(0, -1)], signal)) {
    if (signal?.aborted === true) throw new InterruptedError();
    loss += tokenLoss(logits, targets[next++]!);
  }
  return loss;
}

/** -ln softmax(logits)[target], in double. */
export function tokenLoss(logits: Float32Array, target: number): number {
  if (!(target >= 0 && target < logits.length)) {
    throw new InputError(
      "TOKEN_OUTSIDE_VOCABULARY",
      `Token id ${target} of the text is outside the model's vocabulary of ${logits.length}.`,
      { hint: "The tokenizer belongs to another model." },
    );
  }
  let highest = Number.NEGATIVE_INFINITY;
  // By index: an iterator makes an object of each logit.
  for (let id = 0; id < logits.length; id++) highest = Math.max(highest, logits[id]!);
  let sum = 0;
  for (let id = 0; id < logits.length; id++) sum += Math.exp(logits[id]! - highest);
  return highest + Math.log(sum) - logits[target]!;
}
