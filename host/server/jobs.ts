import { chatPrompt } from "../engine/chat-prompt.ts";
import type { ChatMessage } from "../text/chat-template.ts";
import { ApiError } from "./api-error.ts";
import { jsonConstraint } from "./json-constraint.ts";
import type { ChatRequest, CompletionRequest } from "./requests.ts";
import type { ServedModel, TextJob } from "./service.ts";

export interface JobLimits {
  /** Tokens that one request may ask for. */
  readonly maxTokens: number;
}

/** OpenAI's defaults: completions stop after 16 tokens, sampling is the model's own distribution. */
const COMPLETION_TOKENS = 16;
const CHAT_TOKENS = 1024;

/** @throws ApiError 400, 404 */
export function chatJob(model: ServedModel, request: ChatRequest, limits: JobLimits): TextJob {
  checkModel(model, request.model);
  const messages = request.messages.map(
    ({ role, content }): ChatMessage => ({
      role: role === "developer" ? "system" : role,
      content: typeof content === "string" ? content : content.map(({ text }) => text).join(""),
    }),
  );
  const characters = messages.reduce((sum, { content }) => sum + content.length, 0);
  checkLength(model, characters, "messages");
  const { ids, codec, stop } = chatPrompt(model, messages);
  checkPrompt(model, ids, "messages");
  const asked = request.max_completion_tokens ?? request.max_tokens;
  const settings = commonSettings(request, maxTokens(asked, CHAT_TOKENS, limits));
  const logprobs = request.logprobs === true ? (request.top_logprobs ?? 0) : undefined;
  if (logprobs === undefined && request.top_logprobs != null) {
    throw new ApiError(400, "The field top_logprobs needs logprobs to be true.", { param: "top_logprobs" });
  }
  return {
    ids,
    codec,
    settings: { ...settings, stop: [...settings.stop, ...stop], logprobs },
    constraint: request.response_format?.type === "json_object" ? jsonConstraint(model) : undefined,
  };
}

/** @throws ApiError 400, 404 */
export function completionJob(model: ServedModel, request: CompletionRequest, limits: JobLimits): TextJob {
  checkModel(model, request.model);
  const given = request.prompt;
  const prompt = Array.isArray(given) && typeof given[0] !== "number" ? given[0]! : given;
  let ids: readonly number[];
  if (typeof prompt === "string") {
    if (prompt === "") throw new ApiError(400, "The prompt is empty.", { param: "prompt" });
    checkLength(model, prompt.length, "prompt");
    ids = model.codec.encode(prompt);
  } else ids = prompt as number[];
  checkPrompt(model, ids, "prompt");
  return {
    ids,
    codec: model.codec,
    settings: {
      ...commonSettings(request, maxTokens(request.max_tokens, COMPLETION_TOKENS, limits)),
      logprobs: request.logprobs ?? undefined,
    },
  };
}

/** @throws ApiError 404 for another model than the one that is loaded */
export function checkModel({ name }: ServedModel, asked: string): void {
  if (asked === name) return;
  throw new ApiError(404, `The model ${JSON.stringify(asked)} does not exist; this server has ${name}.`, {
    param: "model",
    code: "model_not_found",
  });
}

function commonSettings(request: ChatRequest | CompletionRequest, tokens: number) {
  const stop = request.stop ?? [];
  return {
    maxTokens: tokens,
    temperature: request.temperature ?? 1,
    topP: request.top_p ?? 1,
    topK: request.top_k ?? 0,
    minP: request.min_p ?? 0,
    repeatPenalty: request.repeat_penalty ?? 1,
    seed: request.seed ?? undefined,
    stop: (typeof stop === "string" ? [stop] : stop).filter((text) => text !== ""),
    ignoreEos: request.ignore_eos ?? false,
  };
}

function maxTokens(asked: number | null | undefined, otherwise: number, limits: JobLimits): number {
  if (asked == null) return Math.min(otherwise, limits.maxTokens);
  if (asked <= limits.maxTokens) return asked;
  throw new ApiError(400, `At most ${limits.maxTokens} tokens may be asked for, not ${asked}.`, {
    param: "max_tokens",
    code: "invalid_value",
  });
}

/** Before tokenizing, which takes time: even of the longest tokens too many would be needed. @throws ApiError 400 */
export function checkLength({ session, tokenizer }: ServedModel, characters: number, param: string): void {
  if (characters > session.promptLimit * tokenizer.longestToken) {
    throw tooLong(`${characters} characters`, session.promptLimit, param);
  }
}

/** @throws ApiError 400 */
export function checkPrompt({ session, codec }: ServedModel, ids: readonly number[], param: string): void {
  const unknown = ids.find((id) => id >= codec.vocabSize);
  if (unknown !== undefined) {
    throw new ApiError(400, `${unknown} is no token of this model's ${codec.vocabSize}.`, { param });
  }
  if (ids.length > session.promptLimit) {
    throw tooLong(`${ids.length} tokens`, session.promptLimit, param);
  }
}

function tooLong(length: string, limit: number, param: string): ApiError {
  return new ApiError(400, `The field ${param} has ${length}; the model's context is ${limit} tokens.`, {
    param,
    code: "context_length_exceeded",
  });
}
