import { z } from "zod";
import { InputError } from "../errors.ts";

/** Limits on a tokenizer.json; far above any published one's. */
export const TOKENIZER_LIMITS = {
  vocabulary: 1 << 22,
  merges: 1 << 23,
  addedTokens: 1 << 16,
  steps: 64,
} as const;

const tokenId = z
  .number()
  .int()
  .min(0)
  .max(TOKENIZER_LIMITS.vocabulary - 1);
const step = z.looseObject({ type: z.string() });

/** The parts of a tokenizer.json that are relied on; the rest goes to the tokenizer library as it is. */
const tokenizerJsonSchema = z.looseObject({
  added_tokens: z
    .array(z.looseObject({ id: tokenId, content: z.string().min(1), special: z.boolean() }))
    .max(TOKENIZER_LIMITS.addedTokens),
  normalizer: step.nullable(),
  pre_tokenizer: step.nullable(),
  post_processor: step.nullable(),
  decoder: step,
  model: z.looseObject({
    type: z.literal("BPE"),
    unk_token: z.string().nullish(),
    fuse_unk: z.boolean().nullish(),
    ignore_merges: z.boolean().nullish(),
    // Checked in loops of our own: a schema takes a tenth of a second over each.
    vocab: z.custom<Record<string, number>>(isRecord, "must be an object").superRefine((vocab, context) => {
      const wrong = Object.keys(vocab).find((token) => !isTokenId(vocab[token]));
      if (wrong === undefined) return;
      context.addIssue({ code: "custom", path: [wrong], message: "is no token id" });
    }),
    merges: z.custom<string[] | [string, string][]>(
      areMerges,
      "must be a list of strings, or of pairs of them",
    ),
  }),
});

function isRecord(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTokenId(id: unknown): boolean {
  return typeof id === "number" && Number.isInteger(id) && id >= 0 && id < TOKENIZER_LIMITS.vocabulary;
}

function areMerges(value: unknown): boolean {
  if (!Array.isArray(value) || value.length > TOKENIZER_LIMITS.merges) return false;
  const isPair = (merge: unknown) =>
    Array.isArray(merge) && merge.length === 2 && merge.every((part) => typeof part === "string");
  return value.every((merge) => typeof merge === "string") || value.every(isPair);
}

const namedToken = z.union([z.string(), z.looseObject({ content: z.string() })]).nullish();
const tokenizerConfigSchema = z.looseObject({ bos_token: namedToken, eos_token: namedToken });

export type TokenizerJson = z.infer<typeof tokenizerJsonSchema>;
export type TokenizerConfig = z.infer<typeof tokenizerConfigSchema>;

/** Parses and checks tokenizer.json. @throws InputError naming the field. */
export function parseTokenizerJson(json: Uint8Array): TokenizerJson {
  return parse(json, tokenizerJsonSchema, "tokenizer.json");
}

/** Parses and checks tokenizer_config.json. @throws InputError naming the field. */
export function parseTokenizerConfig(json: Uint8Array): TokenizerConfig {
  return parse(json, tokenizerConfigSchema, "tokenizer_config.json");
}

function parse<T>(json: Uint8Array, schema: z.ZodType<T>, label: string): T {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json));
  } catch (cause) {
    throw new InputError("TOKENIZER_INVALID", `${label} is not valid JSON: ${(cause as Error).message}.`, {
      cause,
    });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new InputError(
    "TOKENIZER_INVALID",
    `${label}: field "${issue?.path.join(".")}": ${issue?.message ?? "does not match its schema"}.`,
    { hint: "Supported are BPE tokenizers, as all Llama models have.", cause: result.error },
  );
}
