import type { ImageHeader } from "../../quant/format/image-header.ts";
import { planImage, modelTensors as planTensors } from "../../quant/format/image-plan.ts";
import { LM_HEAD } from "../../quant/format/inventory.ts";
import { kvLayout } from "../../quant/format/kv-layout.ts";
import { beatBytes } from "../../quant/format/limits.ts";
import type { ModelConfig } from "../../quant/format/model.ts";
import type { Platform } from "../../quant/format/platform.ts";
import type { WeightFormat } from "../../quant/format/weight-layout.ts";
import type { Descriptor } from "../engine/commands.ts";
import { forwardPass } from "../engine/forward-pass.ts";
import { modelTensors } from "../engine/model-tensors.ts";

export interface WeightChoice {
  /** Format of the layers' matrices. */
  readonly weights: WeightFormat;
  /** Format of the output matrix. */
  readonly lmHead: WeightFormat;
}

export interface Window {
  readonly sinks: number;
  readonly window: number;
}

/** Header of the image that a model of this shape would have; nothing is quantized. */
export function plannedHeader(
  model: ModelConfig,
  platform: Platform,
  choice: WeightChoice,
  kv: Window,
): ImageHeader {
  const formats = new Map(
    planTensors(model).matrices.map(({ name }) => [name, name === LM_HEAD ? choice.lmHead : choice.weights]),
  );
  return planImage({
    generator: "accllm estimate",
    model,
    platform,
    kv: { hadamard: true, centered: true, ...kv },
    weights: choice.weights,
    method: "none",
    formats,
    files: new Map(),
  }).header;
}

/** The command stream that the engine would write for an image, on the platform that the image is laid out for. */
export function commandStream(
  header: ImageHeader,
  platform: Platform,
  { sinks, window }: Window,
): readonly Descriptor[] {
  return forwardPass(header, modelTensors(header), {
    kv: kvLayout(header.model, sinks, window, platform.kvChannels),
    sinks,
    window,
    distanceOffset: 0,
    distanceBeats: 0,
    logitsOffset: 0,
    logitsRowBeats: Math.ceil((header.model.vocabSize * 4) / beatBytes),
    dumpOffset: undefined,
  }).descriptors;
}

/** The same image's tensors laid out for another number of channels. */
export function relaidHeader(header: ImageHeader, platform: Platform): ImageHeader {
  const formats = new Map(header.tensors.map(({ name, format }) => [name, format]));
  const { generator, model, kv, quantization } = header;
  const { weights, method } = quantization;
  return planImage({ generator, model, platform, kv, weights, method, formats, files: new Map() }).header;
}
