import { stat } from "node:fs/promises";
import { join } from "node:path";
import { openImage } from "../../quant/format/image.ts";
import type { ImageHeader } from "../../quant/format/image-header.ts";
import type { ModelConfig } from "../../quant/format/model.ts";
import { modelLimitProblem } from "../../quant/format/model-limits.ts";
import type { Platform } from "../../quant/format/platform.ts";
import { hfConfigSchema, modelConfigFromHf } from "../../quant/io/hf-config.ts";
import { FILE_LIMITS, parseJson, readBounded } from "../../quant/io/json-file.ts";
import { InputError } from "../errors.ts";
import { knownModel, knownModels } from "./model-shapes.ts";
import { plannedHeader, type WeightChoice, type Window } from "./workload.ts";

/**
 * The header of an image, or the one that a model of a known name or of a config.json would have.
 * @param source a known model's name, an .accllm file, a config.json or a folder with one
 * @throws InputError where it is none of them, or the kernel cannot take the model
 */
export async function headerOf(
  source: string,
  platform: Platform,
  choice: WeightChoice,
  kv: Window,
): Promise<ImageHeader> {
  const known = knownModel(source);
  if (known !== undefined) return plannedHeader(known, platform, choice, kv);
  if (source.endsWith(".accllm")) {
    const image = await openImage(source);
    await image.close();
    return image.header;
  }
  const model = await configOf(source);
  const problem = modelLimitProblem(model);
  if (problem !== undefined) throw new InputError("MODEL_LIMITS", `The model of ${source} ${problem}.`);
  return plannedHeader(model, platform, choice, kv);
}

async function configOf(source: string): Promise<ModelConfig> {
  const kind = await stat(source).catch(() => undefined);
  const path = kind?.isDirectory() ? join(source, "config.json") : source;
  const bytes = kind === undefined ? null : await readBounded(path, FILE_LIMITS.config);
  if (bytes === null) {
    throw new InputError("MODEL_UNKNOWN", `${source} is neither a file nor the name of a known model.`, {
      hint: `Known are ${knownModels.join(", ")}; else give an .accllm file or a config.json.`,
    });
  }
  return modelConfigFromHf(parseJson(bytes, hfConfigSchema, path), null, path);
}
