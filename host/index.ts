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
export type { DoneEvent, DoneReason, GenerateOptions, TokenEvent, TopLogprob } from "./engine/generate.ts";
export { type LoadOptions, loadModel } from "./engine/load.ts";
export type { Model } from "./engine/model.ts";
export {
  AccllmError,
  DeviceError,
  InputError,
  InterruptedError,
  ToolchainError,
  UsageError,
} from "./errors.ts";
