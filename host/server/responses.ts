import type { DoneEvent, DoneReason, TokenEvent, TopLogprob } from "../engine/generate.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { TextResult } from "./service.ts";

/** What all parts of one answer have in common. */
export interface AnswerHead {
  readonly id: string;
  /** Seconds since 1970. */
  readonly created: number;
  readonly model: string;
}

type Bytes = Pick<Tokenizer, "tokenBytes">;

/** How one kind of answer looks: as a whole and in parts. */
export interface AnswerForm {
  readonly idPrefix: string;
  whole(head: AnswerHead, events: readonly TokenEvent[], result: TextResult): object;
  /** The parts to send before any token. */
  begin(head: AnswerHead): readonly object[];
  /** The part for a token, if there is something to say. */
  token(head: AnswerHead, event: TokenEvent): object | undefined;
  end(head: AnswerHead, result: TextResult): object;
  usage(head: AnswerHead, result: TextResult): object;
}

const finishReason = (reason: DoneReason) => (reason === "length" ? "length" : "stop");

function usageOf({ promptTokens, completionTokens, reusedTokens }: TextResult) {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: reusedTokens },
  };
}

/** Our own field: speed, measured and modelled, and the seed that reproduces the text. */
function detailsOf({ timings, device, seed }: DoneEvent) {
  return {
    seed,
    prefill_seconds: timings.prefillSeconds,
    decode_seconds: timings.decodeSeconds,
    decode_tokens_per_second: timings.decodeTokensPerSecond,
    modelled_decode_tokens_per_second: device.modelledDecodeTokensPerSecond,
    engine: device.engine,
  };
}

/** /v1/chat/completions */
export function chatForm(tokens: Bytes): AnswerForm {
  const head = (object: string, { id, created, model }: AnswerHead) => ({ id, object, created, model });
  const chunk = (one: AnswerHead, delta: object, finish: string | null, logprobs: object | null = null) => ({
    ...head("chat.completion.chunk", one),
    choices: [{ index: 0, delta, logprobs, finish_reason: finish }],
  });
  const entry = (id: number, text: string, logprob: number) => ({
    token: text,
    logprob,
    bytes: Array.from(tokens.tokenBytes(id)),
  });
  const content = (event: TokenEvent) => ({
    ...entry(event.id, tokenText(tokens, event.id), event.logprob!),
    top_logprobs: (event.topLogprobs ?? []).map(({ id, text, logprob }) => entry(id, text, logprob)),
  });
  return {
    idPrefix: "chatcmpl-",
    whole: (one, events, result) => ({
      ...head("chat.completion", one),
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: result.text, refusal: null },
          logprobs: hasLogprobs(events) ? { content: events.map(content), refusal: null } : null,
          finish_reason: finishReason(result.reason),
        },
      ],
      usage: usageOf(result),
      accllm: detailsOf(result),
    }),
    begin: (one) => [chunk(one, { role: "assistant", content: "" }, null)],
    token: (one, event) =>
      event.text === "" && event.logprob === undefined
        ? undefined
        : chunk(
            one,
            { content: event.text },
            null,
            event.logprob === undefined ? null : { content: [content(event)], refusal: null },
          ),
    end: (one, result) => chunk(one, {}, finishReason(result.reason)),
    usage: (one, result) => ({
      ...head("chat.completion.chunk", one),
      choices: [],
      usage: usageOf(result),
      accllm: detailsOf(result),
    }),
  };
}

/** /v1/completions */
export function completionForm(tokens: Bytes): AnswerForm {
  const head = ({ id, created, model }: AnswerHead) => ({ id, object: "text_completion", created, model });
  const choice = (text: string, finish: string | null, logprobs: object | null) => ({
    text,
    index: 0,
    logprobs,
    finish_reason: finish,
  });
  const logprobsOf = (events: readonly TokenEvent[], firstOffset: number) => {
    let offset = firstOffset;
    const offsets = events.map(({ text }) => {
      const start = offset;
      offset += text.length;
      return start;
    });
    return {
      tokens: events.map(({ id }) => tokenText(tokens, id)),
      token_logprobs: events.map(({ logprob }) => logprob!),
      top_logprobs: events.map(({ topLogprobs }) => byText(topLogprobs ?? [])),
      text_offset: offsets,
    };
  };
  let streamed = 0;
  return {
    idPrefix: "cmpl-",
    whole: (one, events, result) => ({
      ...head(one),
      choices: [
        choice(result.text, finishReason(result.reason), hasLogprobs(events) ? logprobsOf(events, 0) : null),
      ],
      usage: usageOf(result),
      accllm: detailsOf(result),
    }),
    begin: () => [],
    token: (one, event) => {
      if (event.text === "" && event.logprob === undefined) return undefined;
      const logprobs = event.logprob === undefined ? null : logprobsOf([event], streamed);
      streamed += event.text.length;
      return { ...head(one), choices: [choice(event.text, null, logprobs)] };
    },
    end: (one, result) => ({ ...head(one), choices: [choice("", finishReason(result.reason), null)] }),
    usage: (one, result) => ({
      ...head(one),
      choices: [],
      usage: usageOf(result),
      accllm: detailsOf(result),
    }),
  };
}

function hasLogprobs(events: readonly TokenEvent[]): boolean {
  return events.some(({ logprob }) => logprob !== undefined);
}

function tokenText(tokens: Bytes, id: number): string {
  return new TextDecoder().decode(tokens.tokenBytes(id));
}

/** As OpenAI's older form has it; of tokens that look the same the likeliest counts. */
function byText(top: readonly TopLogprob[]): Record<string, number> {
  return Object.fromEntries(top.toReversed().map(({ text, logprob }) => [text, logprob]));
}
