import { Template } from "@huggingface/jinja";
import { z } from "zod";
import { InputError, UsageError } from "../errors.ts";
import { PLAIN_TEMPLATES, type PlainTemplate } from "./plain-templates.ts";
import type { Tokenizer } from "./tokenizer.ts";

export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/** Longest template in characters. */
const MAX_TEMPLATE = 1 << 20;

/** Texts that end a turn in one of the families, where the template writes them. */
const TURN_ENDS = ["<|im_end|>", "<|eot_id|>", "<|end|>", "<|end_of_turn|>", "<end_of_turn>"] as const;

/** Turns a conversation into the text that a model was trained to answer. */
export class ChatTemplate {
  /** "model" where the checkpoint brought it, "custom" where somebody gave it, else the family. */
  readonly name: string;
  readonly source: string;
  readonly #template: Template;
  readonly #tokens: { readonly bos_token: string; readonly eos_token: string };

  /** @throws InputError for a template that is too long or does not parse */
  constructor(name: string, source: string, tokens: { readonly bos: string; readonly eos: string }) {
    if (source.length > MAX_TEMPLATE) {
      throw new InputError(
        "TEMPLATE_INVALID",
        `The chat template (${name}) has ${source.length} characters; at most ${MAX_TEMPLATE} are accepted.`,
      );
    }
    try {
      this.#template = new Template(source);
    } catch (cause) {
      throw new InputError(
        "TEMPLATE_INVALID",
        `The chat template (${name}) is no Jinja template: ${(cause as Error).message}.`,
        { hint: "Give another with --chat-template.", cause },
      );
    }
    this.name = name;
    this.source = source;
    this.#tokens = { bos_token: tokens.bos, eos_token: tokens.eos };
  }

  /**
   * The text to continue.
   * @param continueLast leaves out what begins a new turn of the assistant
   * @throws UsageError where the template refuses the conversation, such as two turns of one side in a row
   */
  render(messages: readonly ChatMessage[], { continueLast = false } = {}): string {
    try {
      return this.#template.render({
        ...this.#tokens,
        messages: messages.map(({ role, content }) => ({ role, content })),
        add_generation_prompt: !continueLast,
      });
    } catch (cause) {
      throw new UsageError(
        "CHAT_REFUSED",
        `The model's chat template cannot express this conversation: ${(cause as Error).message}.`,
        { cause },
      );
    }
  }

  /** Texts that end a turn, beside the end-of-sequence token. */
  get turnEnds(): readonly string[] {
    return TURN_ENDS.filter((end) => this.source.includes(end));
  }
}

const configSchema = z.looseObject({
  chat_template: z
    .union([z.string(), z.array(z.looseObject({ name: z.string(), template: z.string() }))])
    .nullish(),
});

export interface TemplateSources {
  readonly tokenizer: Tokenizer;
  /** chat_template.jinja and tokenizer_config.json of the checkpoint. */
  readonly chatTemplate: Uint8Array | null;
  readonly tokenizerConfig: Uint8Array | null;
  /** A family's name or a Jinja template, which takes precedence. */
  readonly override?: string | undefined;
}

/**
 * The template of a model: the one asked for, the checkpoint's own, or that of the family whose special tokens the
 * vocabulary has; `plain` where nothing says that the model was trained to chat.
 * @throws InputError for a template that does not parse
 */
export function chatTemplateOf(sources: TemplateSources): ChatTemplate {
  const { tokenizer, override } = sources;
  const spelled = (id: number | null | undefined) => (id == null ? "" : (tokenizer.spellingOf(id) ?? ""));
  const tokens = { bos: spelled(tokenizer.bosId), eos: spelled(tokenizer.eosIds[0]) };
  if (override !== undefined) {
    return Object.hasOwn(PLAIN_TEMPLATES, override)
      ? new ChatTemplate(override, PLAIN_TEMPLATES[override as PlainTemplate], tokens)
      : new ChatTemplate("custom", override, tokens);
  }
  const own = ownTemplate(sources);
  if (own !== undefined) return new ChatTemplate("model", own, tokens);
  const family = familyOf(tokenizer);
  return new ChatTemplate(family, PLAIN_TEMPLATES[family], tokens);
}

function ownTemplate({ chatTemplate, tokenizerConfig }: TemplateSources): string | undefined {
  if (chatTemplate !== null) return new TextDecoder().decode(chatTemplate);
  if (tokenizerConfig === null) return undefined;
  const config = configSchema.safeParse(JSON.parse(new TextDecoder().decode(tokenizerConfig)));
  const template = config.data?.chat_template ?? undefined;
  if (template === undefined || typeof template === "string") return template;
  return (template.find(({ name }) => name === "default") ?? template[0])?.template;
}

function familyOf(tokenizer: Tokenizer): PlainTemplate {
  if (tokenizer.idOf("<|start_header_id|>") !== undefined) return "llama3";
  if (tokenizer.idOf("<|im_start|>") !== undefined) return "chatml";
  if (tokenizer.idOf("<|assistant|>") !== undefined) return "zephyr";
  return "plain";
}
