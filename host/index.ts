/**
 * The library:
 *
 *     import { loadModel } from "accllm";
 *
 *     await using model = await loadModel("model.accllm");
 *     for await (const token of model.generate("Once upon a time", { maxTokens: 100 })) {
 *       process.stdout.write(token.text);
 *     }
 */
export type { GenerationOptions } from "./config/generation.ts";
export { type ChatPrompt, chatPrompt } from "./engine/chat-prompt.ts";
export { type EmbedOptions, embed } from "./engine/embed.ts";
export {
  type DoneEvent,
  type DoneReason,
  type GenerateOptions,
  generate,
  type TokenEvent,
  type TopLogprob,
} from "./engine/generate.ts";
export { type LoadOptions, loadModel } from "./engine/load.ts";
export { loadModels } from "./engine/load-several.ts";
export type { Model } from "./engine/model.ts";
export { type OpenModel, type OpenModelOptions, openModel, type SessionFolder } from "./engine/open-model.ts";
export {
  AccllmError,
  DeviceError,
  InputError,
  InterruptedError,
  ToolchainError,
  UsageError,
} from "./errors.ts";
export type { ChatMessage } from "./text/chat-template.ts";
