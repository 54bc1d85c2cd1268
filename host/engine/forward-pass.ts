import {
  type ActivationBuffer,
  activationBuffers,
  descriptorFlags,
  type Operation,
} from "../../quant/format/command.ts";
import { beatsOf, type ImageHeader, type ImageTensor } from "../../quant/format/image-header.ts";
import type { KvLayout } from "../../quant/format/kv-layout.ts";
import { limits } from "../../quant/format/limits.ts";
import { weightFormats } from "../../quant/format/weight-layout.ts";
import { type Descriptor, float32Bits } from "./commands.ts";
import type { BiasedTensor, ModelTensors } from "./model-tensors.ts";

/** Places, in beats, that the forward pass refers to besides the image's own. */
export interface ForwardPlaces {
  readonly kv: KvLayout;
  readonly sinks: number;
  readonly window: number;
  /** Distance table in the table buffer; zeros where keys are not centred. */
  readonly distanceOffset: number;
  readonly distanceBeats: number;
  readonly logitsOffset: number;
  readonly logitsRowBeats: number;
  /** First free beat of io for dumps; undefined writes no dumps. */
  readonly dumpOffset: number | undefined;
}

/** Where a dumped activation lies in io: one row a token of the block. */
export interface DumpPlace {
  readonly layer: number | undefined;
  /** The operation that had just written the buffer. */
  readonly operation: Operation;
  readonly buffer: ActivationBuffer;
  /** Values a token, without the scale that goes before the codes of buffer a. */
  readonly length: number;
  readonly ioOffset: number;
  readonly rowBeats: number;
  /** Whether only tokens whose logits are wanted are written. */
  readonly headOnly: boolean;
}

export interface ForwardPass {
  readonly descriptors: readonly Descriptor[];
  /** How many of them come before the last norm: what is in x then is the last layer's output. */
  readonly layersEnd: number;
  readonly dumps: readonly DumpPlace[];
  /** How many of the dumps come before the last norm. */
  readonly layersDumps: number;
  /** First beat of io behind the dumps. */
  readonly ioEnd: number;
}

/**
 * The descriptors of one pass over a block of tokens. They are the same for every block: tokens, positions and
 * angles are in the token records. Of the last layer later tokens need nothing but keys and values, so the rest of it
 * touches only tokens whose result is wanted. With `dumpOffset`, a dump follows every descriptor that writes an
 * activation buffer.
 */
export function forwardPass(header: ImageHeader, tensors: ModelTensors, places: ForwardPlaces): ForwardPass {
  const { model } = header;
  const { kv, sinks, window } = places;
  const hidden = model.hiddenSize;
  const queries = model.heads * model.headDim;
  const epsilonBits = float32Bits(model.rmsNormEps);
  const kvFlags =
    (header.kv.hadamard ? descriptorFlags.hadamard : 0) | (header.kv.centered ? descriptorFlags.centered : 0);
  const descriptors: Descriptor[] = [];
  const dumps: DumpPlace[] = [];
  let ioEnd = places.dumpOffset ?? places.logitsOffset + places.logitsRowBeats * limits.blockTokens;
  let layer: number | undefined;

  const emit = (descriptor: Descriptor, buffer: ActivationBuffer, length: number) => {
    descriptors.push(descriptor);
    if (places.dumpOffset === undefined) return;
    const rowBeats = beatsOf((length + (buffer === "a" ? 1 : 0)) * 4);
    const headFlag = descriptor.flags & descriptorFlags.head;
    dumps.push({
      layer,
      operation: descriptor.operation,
      buffer,
      length,
      ioOffset: ioEnd,
      rowBeats,
      headOnly: headFlag !== 0,
    });
    descriptors.push({
      operation: "dump",
      flags: headFlag,
      fields: { buffer: activationBuffers[buffer], length, ioOffset: ioEnd, rowBeats },
    });
    ioEnd += rowBeats * limits.blockTokens;
  };
  const norm = (gainOffset: number, flags = 0) =>
    emit({ operation: "norm", flags, fields: { gainOffset, length: hidden, epsilonBits } }, "a", hidden);
  const matmul = (tensor: ImageTensor, destination: ActivationBuffer, flags = 0, bias?: number) =>
    emit(
      {
        operation: "matmul",
        flags: flags | (bias === undefined ? 0 : descriptorFlags.biased),
        fields: {
          ...matrixFields(tensor),
          destination: activationBuffers[destination],
          biasOffset: bias ?? 0,
        },
      },
      destination,
      tensor.rows,
    );
  const biased = ({ matrix, bias }: BiasedTensor, destination: ActivationBuffer, flags = 0) =>
    matmul(matrix, destination, flags, bias);
  const add = (flags: number) => emit({ operation: "add", flags, fields: { length: hidden } }, "x", hidden);

  const { offset, rowBeats } = header.table.embedding;
  const embed = { tableOffset: offset, rowBeats, hidden, vocabulary: model.vocabSize };
  emit({ operation: "embed", flags: 0, fields: embed }, "x", hidden);
  tensors.layers.forEach((t, l) => {
    layer = l;
    const wanted = l + 1 === tensors.layers.length ? descriptorFlags.head : 0;
    const cache = {
      kvOffset: l * kv.layerBeats,
      kvHeads: model.kvHeads,
      headDim: model.headDim,
      sinks,
      window,
      ring: kv.ring,
      meanOffset: t.keyMean,
    };
    norm(t.attentionGain);
    biased(t.q, "q", wanted);
    biased(t.k, "k");
    biased(t.v, "v");
    descriptors.push({ operation: "ropeKv", flags: kvFlags, fields: cache });
    const attend = {
      ...cache,
      heads: model.heads,
      scoreScaleBits: float32Bits(scoreScale(model.headDim, header.kv.hadamard)),
      meanScaleBits: float32Bits(meanScale(model.headDim)),
      distanceOffset: places.distanceOffset,
      distanceBeats: places.distanceBeats,
    };
    emit({ operation: "attend", flags: kvFlags | wanted, fields: attend }, "a", queries);
    biased(t.o, "y", wanted);
    add(wanted);
    norm(t.mlpGain, wanted);
    matmul(t.gate, "g", wanted);
    matmul(t.up, "u", wanted);
    const inner = model.intermediateSize;
    emit({ operation: "siluMul", flags: wanted, fields: { length: inner } }, "a", inner);
    matmul(t.down, "y", wanted);
    add(wanted);
  });
  layer = undefined;
  const layersEnd = descriptors.length;
  const layersDumps = dumps.length;
  norm(tensors.finalGain, descriptorFlags.head);
  const logits = { ioOffset: places.logitsOffset, rowBeats: places.logitsRowBeats };
  descriptors.push({
    operation: "logits",
    flags: descriptorFlags.head,
    fields: { ...matrixFields(tensors.head), ...logits },
  });
  return { descriptors, layersEnd, dumps, layersDumps, ioEnd };
}

/**
 * The pass without its last norm and logits: it ends by writing the last layer's output of the tokens from firstLogit
 * on to io, float32 [hiddenSize] a row.
 */
export function hiddenPass(
  { descriptors, layersEnd }: ForwardPass,
  hidden: { readonly length: number; readonly ioOffset: number; readonly rowBeats: number },
): readonly Descriptor[] {
  const fields = { buffer: activationBuffers.x, ...hidden };
  return [...descriptors.slice(0, layersEnd), { operation: "dump", flags: descriptorFlags.head, fields }];
}

function matrixFields(tensor: ImageTensor) {
  return {
    weightOffset: tensor.offset,
    rows: tensor.rows,
    columns: tensor.columns,
    format: weightFormats[tensor.format].code,
    beats: tensor.beats,
  };
}

/** 1 / (sqrt(D) h), with h the Hadamard transform's block size (docs/numerics.md, "attend"). */
export function scoreScale(headDim: number, hadamard: boolean): number {
  const block = hadamard ? headDim & -headDim : 1;
  return Math.fround(1 / (Math.sqrt(headDim) * block));
}

/** 1 / (32767 sqrt(D)). */
export function meanScale(headDim: number): number {
  return Math.fround(1 / (32767 * Math.sqrt(headDim)));
}
