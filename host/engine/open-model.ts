import { basename } from "node:path";
import { openImage } from "../../quant/format/image.ts";
import type { ImageHeader } from "../../quant/format/image-header.ts";
import { DEFAULT_SESSION_BYTES } from "../config/sessions.ts";
import { type ChatTemplate, chatTemplateOf } from "../text/chat-template.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { textCodec } from "./codec.ts";
import type { TextCodec } from "./generate.ts";
import { imageTokenizer, type LoadOptions, openSessionAnd } from "./load.ts";
import type { MemoryPlan } from "./plan.ts";
import { PrefixSession } from "./prefix-session.ts";
import type { DecodeCycles } from "./run-totals.ts";
import { cacheKey } from "./sequences/cache-key.ts";
import { SequenceStore, type StoreEvent } from "./sequences/sequence-store.ts";

export interface OpenModelOptions extends LoadOptions {
  /** A family's name or a Jinja template; default the checkpoint's own. */
  readonly chatTemplate?: string | undefined;
  /** Takes prompts over the window; their middle falls out of the cache. Default false: they are refused. */
  readonly longPrompts?: boolean | undefined;
  /** Keeps conversations in a folder when the device turns to others, and takes them up again. Default: none are kept. */
  readonly sessions?: SessionFolder | undefined;
}

export interface SessionFolder {
  /** Made where there is none. */
  readonly folder: string;
  /** Bytes of all its files together; what was used longest ago is removed. Default 4 GB. */
  readonly limitBytes?: number | undefined;
  readonly onEvent?: ((event: StoreEvent) => void) | undefined;
}

/** A model on a device with all that a conversation needs, for those who share one device between texts. */
export interface OpenModel extends AsyncDisposable {
  /** The image's file name without its ending. */
  readonly name: string;
  readonly header: ImageHeader;
  readonly plan: MemoryPlan;
  readonly session: PrefixSession;
  readonly codec: TextCodec;
  readonly tokenizer: Tokenizer;
  readonly template: ChatTemplate;
  /** The kernel's cycles for the tokens decoded since this was last called. */
  takeDecodeCycles(): DecodeCycles;
  close(): Promise<void>;
}

/**
 * Loads a model image onto a device for conversations and for many texts in a row.
 * @throws as loadModel; InputError for a chat template that does not parse; UsageError for a folder that cannot be used
 */
export async function openModel(path: string, options: OpenModelOptions = {}): Promise<OpenModel> {
  const { chatTemplate: override, longPrompts, sessions, ...load } = options;
  const image = await openImage(path);
  try {
    const { header } = image;
    const { session, meanwhile } = await openSessionAnd(image, load, async () => {
      const tokenizer = await imageTokenizer(image);
      return {
        tokenizer,
        template: chatTemplateOf({ ...(await image.tokenizerFiles()), tokenizer, override }),
      };
    });
    const { tokenizer, template } = meanwhile;
    const { plan } = session;
    const shape = { sinks: plan.sinks, window: plan.window, ring: plan.kv.ring };
    let store: SequenceStore | undefined;
    if (sessions !== undefined) {
      store = await SequenceStore.open({
        folder: sessions.folder,
        limitBytes: sessions.limitBytes ?? DEFAULT_SESSION_BYTES,
        onEvent: sessions.onEvent,
        key: cacheKey(header, plan),
        shape,
        cacheBytes: (tokens) => session.cacheBytes(tokens),
      }).catch(async (error: unknown) => {
        await session.close();
        throw error;
      });
    }
    const prefixSession = new PrefixSession(session, { ...shape, longPrompts, store });
    return {
      name: basename(path).replace(/\.accllm$/, ""),
      header,
      plan,
      session: prefixSession,
      codec: textCodec(tokenizer, header.model),
      tokenizer,
      template,
      takeDecodeCycles: () => session.takeDecodeCycles(),
      close: () => prefixSession.close(),
      [Symbol.asyncDispose]: () => prefixSession.close(),
    };
  } finally {
    await image.close();
  }
}
