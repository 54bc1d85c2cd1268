import { inspect } from "node:util";
import { z } from "zod";
import { UsageError } from "../errors.ts";
import { SAMPLER_DEFAULTS } from "../sampling/sampler.ts";
import { describeIssue } from "./issue.ts";

/** Tokens generated when nothing is said. */
export const DEFAULT_MAX_TOKENS = 256;

const range = (min: number, max: number) => z.number().min(min).max(max);
const integer = (min: number, max: number) => range(min, max).int();

/**
 * Settings of one generation, with their ranges and defaults: for the library, the command line and whatever else
 * takes them. See SamplerOptions for what the sampling settings mean.
 */
export const generationSchema = z.strictObject({
  /** Tokens to generate at most. */
  maxTokens: integer(1, 1_000_000).default(DEFAULT_MAX_TOKENS),
  temperature: range(0, 100).default(SAMPLER_DEFAULTS.temperature),
  topK: integer(0, 1_000_000).default(SAMPLER_DEFAULTS.topK),
  topP: range(0, 1).gt(0).default(SAMPLER_DEFAULTS.topP),
  minP: range(0, 1).default(SAMPLER_DEFAULTS.minP),
  repeatPenalty: range(0.01, 100).default(SAMPLER_DEFAULTS.repeatPenalty),
  seed: integer(0, Number.MAX_SAFE_INTEGER).optional(),
  /** Strings that end the text; they are not part of it. */
  stop: z.array(z.string().min(1).max(1024)).max(64).default([]),
  logprobs: integer(0, 20).optional(),
  /** Go on past the end-of-sequence token. */
  ignoreEos: z.boolean().default(false),
});

export type GenerationSettings = z.infer<typeof generationSchema>;

/** What a caller may give: everything has a default, and undefined is the same as absent. */
export type GenerationOptions = {
  readonly [K in keyof GenerationSettings]?: GenerationSettings[K] | undefined;
};

/**
 * Checks settings and fills in defaults.
 * @throws UsageError naming the setting, the value and the allowed range
 */
export function parseGeneration(options: GenerationOptions): GenerationSettings {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const result = generationSchema.safeParse(given);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  if (issue.code === "unrecognized_keys") {
    throw new UsageError("UNKNOWN_SETTING", `Generation has no setting named ${issue.keys.join(", ")}.`, {
      hint: `The settings are ${Object.keys(generationSchema.shape).join(", ")}.`,
    });
  }
  const name = String(issue.path[0]);
  const value = given[name];
  throw new UsageError(
    "BAD_SETTING",
    `The setting ${name} cannot be ${inspect(value)}: ${describeIssue(issue)}.`,
  );
}
