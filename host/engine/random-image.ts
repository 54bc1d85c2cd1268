import type { RandomModel } from "../../quant/eval/reference/random-model.ts";
import { sectionNames, weightSection } from "../../quant/format/image-header.ts";
import { planImage } from "../../quant/format/image-plan.ts";
import { beatBytes } from "../../quant/format/limits.ts";
import type { Platform } from "../../quant/format/platform.ts";
import { InputError } from "../errors.ts";
import type { ImageSource } from "./image-source.ts";

/** A random model as an image in memory, laid out as the quantizer lays out files. */
export function randomImage(model: RandomModel, platform: Platform): ImageSource {
  const { config, hadamard, centered, sinks, window, matrices } = model;
  const formats = new Map([...matrices].map(([name, { layout }]) => [name, layout.format]));
  const { header } = planImage({
    generator: `random model ${model.seed}`,
    model: config,
    platform,
    kv: { hadamard, centered, sinks, window },
    weights: "w2",
    method: "random",
    formats,
    files: new Map(),
  });
  const sections = new Map(header.sections.map(({ name, bytes }) => [name, new Uint8Array(bytes)]));
  for (const { name, offset } of header.tensors) {
    matrices.get(name)!.channels.forEach((bytes, channel) => {
      sections.get(weightSection(channel))!.set(bytes, offset * beatBytes);
    });
  }
  const table = sections.get(sectionNames.table)!;
  const put = (values: Float32Array | Uint16Array, beat: number) =>
    table.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), beat * beatBytes);
  const { embedding, gains, biases, keyMeans } = header.table;
  for (let token = 0; token < config.vocabSize; token++) {
    put(model.embeddingRow(token), embedding.offset + token * embedding.rowBeats);
  }
  for (const [name, values] of model.gains) put(values, gains[name]!);
  for (const [name, values] of model.biases) put(values, biases[name]!);
  model.keyMeans.forEach((values, layer) => {
    put(values, keyMeans[layer]!);
  });
  return {
    header,
    async readSection(name, target) {
      const bytes = sections.get(name);
      if (bytes === undefined || target.length > bytes.length) {
        throw new InputError("MISSING_SECTION", `The random model has no ${target.length} bytes of ${name}.`);
      }
      target.set(bytes.subarray(0, target.length));
    },
  };
}
