import { z } from "zod";
import { describeIssue } from "../config/issue.ts";
import { POOLINGS } from "../engine/embed.ts";
import { ApiError } from "./api-error.ts";

const MAX_LOGPROBS = 20;
/** Texts to embed in one request, as OpenAI has it. */
const MAX_TEXTS = 2048;
const number = (min: number, max: number) => z.number().min(min).max(max).nullish();
const integer = (min: number, max: number) => z.int().min(min).max(max).nullish();
/** A field that must have the value that changes nothing, where the feature is not offered. */
const only = <T extends string | number | boolean>(value: T) => z.literal(value).nullish();

/** Fields that both kinds of completion have. Null is the same as absent, as in OpenAI's API. */
const common = {
  model: z.string().min(1).max(256),
  max_tokens: integer(1, 1_000_000),
  temperature: number(0, 2),
  top_p: z.number().gt(0).max(1).nullish(),
  /** Not OpenAI's, but commonly understood. */
  top_k: integer(0, 1_000_000),
  min_p: number(0, 1),
  repeat_penalty: number(0.01, 100),
  seed: integer(0, Number.MAX_SAFE_INTEGER),
  stop: z.union([z.string().max(1024), z.array(z.string().min(1).max(1024)).max(16)]).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.strictObject({ include_usage: z.boolean().nullish() }).nullish(),
  n: only(1),
  presence_penalty: only(0),
  frequency_penalty: only(0),
  logit_bias: z.strictObject({}).nullish(),
  ignore_eos: z.boolean().nullish(),
  // Taken and of no effect on the text.
  user: z.string().max(1024).nullish(),
} as const;

const textPart = z.strictObject({ type: z.literal("text"), text: z.string() });
const message = z.strictObject({
  role: z.enum(["system", "developer", "user", "assistant"]),
  content: z.union([z.string(), z.array(textPart).max(1024)]),
  name: z.string().max(256).optional(),
});

const chatSchema = z.strictObject({
  ...common,
  messages: z.array(message).min(1).max(4096),
  max_completion_tokens: integer(1, 1_000_000),
  logprobs: z.boolean().nullish(),
  top_logprobs: integer(0, MAX_LOGPROBS),
  response_format: z.strictObject({ type: z.enum(["text", "json_object"]) }).nullish(),
  metadata: z.record(z.string().max(64), z.string().max(512)).nullish(),
  store: only(false),
  tools: z.array(z.unknown()).max(0).nullish(),
});

const tokenIds = z
  .array(z.int().min(0))
  .min(1)
  .max(1 << 20);
const completionSchema = z.strictObject({
  ...common,
  prompt: z.union([z.string(), tokenIds, z.array(z.string()).length(1), z.array(tokenIds).length(1)]),
  logprobs: integer(0, MAX_LOGPROBS),
  echo: only(false),
  best_of: only(1),
  suffix: only(""),
});

const embeddingsSchema = z.strictObject({
  model: common.model,
  input: z.union([
    z.string(),
    tokenIds,
    z.array(z.string()).min(1).max(MAX_TEXTS),
    z.array(tokenIds).min(1).max(MAX_TEXTS),
  ]),
  encoding_format: z.enum(["float", "base64"]).nullish(),
  dimensions: integer(1, 1_000_000),
  /** Not OpenAI's: which hidden states make the vector. */
  pooling: z.enum(POOLINGS).nullish(),
  user: common.user,
});

const tokenizeSchema = z.strictObject({
  content: z.string(),
  /** Puts the beginning-of-sequence token in front. */
  add_special: z.boolean().default(false),
});
const detokenizeSchema = z.strictObject({ tokens: z.array(z.int().min(0)).max(1 << 20) });

export type ChatRequest = z.infer<typeof chatSchema>;
export type CompletionRequest = z.infer<typeof completionSchema>;

export type EmbeddingsRequest = z.infer<typeof embeddingsSchema>;

/** @throws ApiError 400 naming the first field at fault */
export const parseChat = (body: unknown): ChatRequest => parse(chatSchema, body);
/** @throws ApiError 400 */
export const parseCompletion = (body: unknown): CompletionRequest => parse(completionSchema, body);
/** @throws ApiError 400 */
export const parseEmbeddings = (body: unknown): EmbeddingsRequest => parse(embeddingsSchema, body);
/** @throws ApiError 400 */
export const parseTokenize = (body: unknown): z.infer<typeof tokenizeSchema> => parse(tokenizeSchema, body);
/** @throws ApiError 400 */
export const parseDetokenize = (body: unknown): z.infer<typeof detokenizeSchema> =>
  parse(detokenizeSchema, body);

function parse<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const path = issue.path.map(String).join(".").slice(0, 128);
  if (issue.code === "unrecognized_keys") {
    const names = issue.keys.slice(0, 8).map((key) => [...issue.path, key].join(".").slice(0, 64));
    throw new ApiError(400, `The request has fields that are not supported: ${names.join(", ")}.`, {
      param: names[0],
      code: "unknown_parameter",
    });
  }
  const what = path === "" ? "The request's body" : `The field ${path}`;
  const problem =
    issue.code === "invalid_union" ? "it has none of the supported forms" : describeIssue(issue);
  throw new ApiError(400, `${what} cannot be used: ${problem}.`, {
    param: path === "" ? undefined : path,
    code: "invalid_value",
  });
}
