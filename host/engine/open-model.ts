import { basename } from "node:path";
import { openImage } from "../../quant/format/image.ts";
import type { ImageHeader } from "../../quant/format/image-header.ts";
import { type ChatTemplate, chatTemplateOf } from "../text/chat-template.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { textCodec } from "./codec.ts";
import type { TextCodec } from "./generate.ts";
import { imageTokenizer, type LoadOptions, openSession } from "./load.ts";
import type { MemoryPlan } from "./plan.ts";
import { PrefixSession } from "./prefix-session.ts";
import type { RunStatus } from "./status.ts";

export interface OpenModelOptions extends LoadOptions {
  /** A family's name or a Jinja template; default the checkpoint's own. */
  readonly chatTemplate?: string | undefined;
  /** Takes prompts over the window; their middle falls out of the cache. Default false: they are refused. */
  readonly longPrompts?: boolean | undefined;
}

/** A model on a device with all that a conversation needs, for those who share one device between texts. */
export interface OpenModel {
  /** The image's file name without its ending. */
  readonly name: string;
  readonly header: ImageHeader;
  readonly plan: MemoryPlan;
  readonly session: PrefixSession;
  readonly codec: TextCodec;
  readonly tokenizer: Tokenizer;
  readonly template: ChatTemplate;
  /** Status of the block that ran last. */
  status(): RunStatus | undefined;
  close(): Promise<void>;
}

/**
 * Loads a model image onto a device for conversations and for many texts in a row.
 * @throws as loadModel; InputError for a chat template that does not parse
 */
export async function openModel(path: string, options: OpenModelOptions = {}): Promise<OpenModel> {
  const { chatTemplate: override, longPrompts, ...load } = options;
  const image = await openImage(path);
  try {
    const { header } = image;
    const tokenizer = await imageTokenizer(image);
    const template = chatTemplateOf({ ...(await image.tokenizerFiles()), tokenizer, override });
    const session = await openSession(image, load);
    const { plan } = session;
    return {
      name: basename(path).replace(/\.accllm$/, ""),
      header,
      plan,
      session: new PrefixSession(session, {
        sinks: plan.sinks,
        window: plan.window,
        ring: plan.kv.ring,
        longPrompts,
      }),
      codec: textCodec(tokenizer, header.model),
      tokenizer,
      template,
      status: () => session.lastStatus,
      close: () => session.close(),
    };
  } finally {
    await image.close();
  }
}
