import { type ImageHeader, type ImageTensor, weightSection } from "../../quant/format/image-header.ts";
import { BIASED, biasName, type LayerTensor, layerTensorName } from "../../quant/format/inventory.ts";
import { beatBytes } from "../../quant/format/limits.ts";
import { modelLimitProblem } from "../../quant/format/model-limits.ts";
import { matrixLayout } from "../../quant/format/weight-layout.ts";
import { InputError } from "../errors.ts";

/** A matrix, and the beat of its bias in the table; undefined where it has none. */
export interface BiasedTensor {
  readonly matrix: ImageTensor;
  readonly bias: number | undefined;
}

/** Matrices of one layer in the order of the forward pass. */
export interface LayerTensors {
  readonly q: BiasedTensor;
  readonly k: BiasedTensor;
  readonly v: BiasedTensor;
  readonly o: BiasedTensor;
  readonly gate: ImageTensor;
  readonly up: ImageTensor;
  readonly down: ImageTensor;
  /** Beats in the table: gains before attention and before the MLP, key means. */
  readonly attentionGain: number;
  readonly mlpGain: number;
  readonly keyMean: number;
}

export interface ModelTensors {
  readonly layers: readonly LayerTensors[];
  readonly finalGain: number;
  readonly head: ImageTensor;
}

/**
 * Finds every tensor of the forward pass in an image's header and checks it: shape against the model, length
 * against the layout, place against its section.
 * @throws InputError naming the tensor
 */
export function modelTensors(header: ImageHeader): ModelTensors {
  const { model } = header;
  const problem = modelLimitProblem(model);
  if (problem !== undefined) throw new InputError("MODEL_LIMITS", `The image's model ${problem}.`);
  const byName = new Map(header.tensors.map((tensor) => [tensor.name, tensor]));
  const { hiddenSize: hidden, intermediateSize: inner } = model;
  const queries = model.heads * model.headDim;
  const keys = model.kvHeads * model.headDim;
  const weightBytes = Math.min(
    ...Array.from({ length: header.platform.weightChannels }, (_, c) =>
      sectionBytes(header, weightSection(c)),
    ),
  );

  const matrix = (name: string, rows: number, columns: number): ImageTensor => {
    const tensor = byName.get(name);
    if (tensor === undefined)
      throw new InputError("MISSING_TENSOR", `The image holds no tensor ${name}.`, remake);
    if (tensor.rows !== rows || tensor.columns !== columns) {
      throw new InputError(
        "TENSOR_SHAPE",
        `The image's ${name} is ${tensor.rows} x ${tensor.columns}; its model needs ${rows} x ${columns}.`,
        remake,
      );
    }
    const { beats } = matrixLayout(tensor.format, rows, columns, header.platform.weightChannels);
    if (tensor.beats !== beats || (tensor.offset + beats) * beatBytes > weightBytes) {
      throw new InputError(
        "TENSOR_PLACE",
        `The image's ${name} is said to fill ${tensor.beats} beats from beat ${tensor.offset} on; as ${tensor.format} it fills ${beats}, and the shortest weight section has ${weightBytes} bytes.`,
        remake,
      );
    }
    return tensor;
  };
  const tableBytes = sectionBytes(header, "table");
  const inTable = (what: string, offset: number | undefined, bytes: number): number => {
    if (offset === undefined) throw new InputError("MISSING_TENSOR", `The image holds no ${what}.`, remake);
    if (offset * beatBytes + bytes > tableBytes) {
      throw new InputError(
        "TENSOR_PLACE",
        `The image's ${what} lies outside its table of ${tableBytes} bytes.`,
        remake,
      );
    }
    return offset;
  };
  const gain = (name: string) => inTable(name, header.table.gains[name], hidden * 4);
  const attention = (layer: number, tensor: LayerTensor, rows: number, columns: number): BiasedTensor => {
    const name = layerTensorName(layer, tensor);
    const bias = biasName(name);
    return {
      matrix: matrix(name, rows, columns),
      bias: BIASED[model.attentionBias].includes(tensor)
        ? inTable(bias, header.table.biases[bias], rows * 4)
        : undefined,
    };
  };

  const { offset, rowBeats } = header.table.embedding;
  inTable("embedding", offset, rowBeats * beatBytes * model.vocabSize);
  if (rowBeats * beatBytes < hidden * 2) {
    throw new InputError(
      "TENSOR_SHAPE",
      `The image's embedding rows of ${rowBeats} beats hold no ${hidden} values.`,
      remake,
    );
  }
  const layers = Array.from({ length: model.layers }, (_, l): LayerTensors => {
    const name = `model.layers.${l}`;
    return {
      q: attention(l, "query", queries, hidden),
      k: attention(l, "key", keys, hidden),
      v: attention(l, "value", keys, hidden),
      o: attention(l, "output", hidden, queries),
      gate: matrix(`${name}.mlp.gate_proj.weight`, inner, hidden),
      up: matrix(`${name}.mlp.up_proj.weight`, inner, hidden),
      down: matrix(`${name}.mlp.down_proj.weight`, hidden, inner),
      attentionGain: gain(`${name}.input_layernorm.weight`),
      mlpGain: gain(`${name}.post_attention_layernorm.weight`),
      keyMean: header.kv.centered ? inTable(`key mean of layer ${l}`, header.table.keyMeans[l], keys * 4) : 0,
    };
  });
  return {
    layers,
    finalGain: gain("model.norm.weight"),
    head: matrix("lm_head.weight", model.vocabSize, hidden),
  };
}

const remake = { hint: "Quantize the checkpoint again; inspect shows what an image holds." };

/** Bytes of a section; InputError where the header names none. */
export function sectionBytes(header: ImageHeader, name: string): number {
  const section = header.sections.find((s) => s.name === name);
  if (section === undefined)
    throw new InputError("MISSING_SECTION", `The image has no section ${name}.`, remake);
  return section.bytes;
}
