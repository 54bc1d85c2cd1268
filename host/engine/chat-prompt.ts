import type { ChatMessage, ChatTemplate } from "../text/chat-template.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { TextCodec } from "./generate.ts";

export interface ChatPrompt {
  readonly ids: readonly number[];
  /** The model's codec, with the tokens that end a turn among those that end a text. */
  readonly codec: TextCodec;
  /** Texts that end a turn and are no tokens of this vocabulary. */
  readonly stop: readonly string[];
}

export interface ChatModel {
  readonly template: ChatTemplate;
  readonly tokenizer: Tokenizer;
  readonly codec: TextCodec;
}

/**
 * A conversation as tokens to continue. Special tokens spelled out by the template count as such; the
 * beginning-of-sequence token is put in front where the template does not write it.
 * @throws UsageError where the template refuses the conversation
 */
export function chatPrompt(
  { template, tokenizer, codec }: ChatModel,
  messages: readonly ChatMessage[],
): ChatPrompt {
  const text = template.render(messages);
  const encoded = tokenizer.encode(text);
  const { bosId } = tokenizer;
  const ids = bosId === null || encoded[0] === bosId ? encoded : [bosId, ...encoded];
  const ends = template.turnEnds.map((end) => ({ end, id: tokenizer.idOf(end) }));
  return {
    ids,
    codec: {
      ...codec,
      eosIds: [...codec.eosIds, ...ends.flatMap(({ id }) => (id === undefined ? [] : [id]))],
    },
    stop: ends.flatMap(({ end, id }) => (id === undefined ? [end] : [])),
  };
}
