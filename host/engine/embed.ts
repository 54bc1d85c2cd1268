import { z } from "zod";
import { describeIssue } from "../config/issue.ts";
import { UsageError } from "../errors.ts";
import type { Session, TextCodec } from "./generate.ts";
import { promptIds } from "./prompt-ids.ts";

/** "last": the last token's hidden state, the one token that has seen the whole text; "mean": the mean of all. */
export const POOLINGS = ["last", "mean"] as const;
export type Pooling = (typeof POOLINGS)[number];

export const embedSchema = z.strictObject({
  /** Default "last". */
  pooling: z.enum(POOLINGS).optional(),
  /** Scales the vector to length 1. Default true. */
  normalize: z.boolean().optional(),
});

export interface EmbedOptions extends z.infer<typeof embedSchema> {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Embeds a text: runs it and pools the hidden states after the model's final norm. The session is reset at the end.
 * @param text text, or token ids to run as they are
 * @returns float32 [hiddenSize]
 * @throws UsageError for an empty text, one over the window, or settings out of range; InterruptedError; DeviceError
 */
export async function embed(
  session: Session,
  codec: TextCodec,
  text: string | readonly number[],
  { signal, ...given }: EmbedOptions = {},
): Promise<Float32Array> {
  const { pooling = "last", normalize = true } = parseEmbed(given);
  const ids = promptIds(codec, text, session.maxPositions);
  session.reset();
  try {
    const states = await session.hiddenStates(ids, pooling === "mean" ? 0 : ids.length - 1, signal);
    const mean = meanOf(states);
    return Float32Array.from(normalize ? unit(mean) : mean);
  } finally {
    session.reset();
  }
}

function parseEmbed(options: z.infer<typeof embedSchema>): z.infer<typeof embedSchema> {
  const result = embedSchema.safeParse(options);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  throw new UsageError(
    "BAD_OPTION",
    `The setting ${issue.path.join(".") || "of an embedding"} cannot be used: ${describeIssue(issue)}.`,
  );
}

/** In double. */
function meanOf(states: readonly Float32Array[]): Float64Array {
  const sum = new Float64Array(states[0]!.length);
  for (const state of states) for (let i = 0; i < sum.length; i++) sum[i]! += state[i]!;
  return sum.map((value) => value / states.length);
}

function unit(vector: Float64Array): Float64Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return length === 0 ? vector : vector.map((value) => value / length);
}
