import { InterruptedError } from "../../host/errors.ts";
import {
  biasName,
  EMBEDDING,
  FINAL_NORM,
  type LayerTensor,
  LM_HEAD,
  layerTensorName,
} from "../format/inventory.ts";
import type { Checkpoint } from "../io/checkpoint.ts";
import type { Matrix } from "./linear.ts";

/** One decoder layer in float32. */
export interface FloatLayer {
  readonly inputNorm: Float32Array;
  readonly query: Matrix;
  readonly key: Matrix;
  readonly value: Matrix;
  readonly output: Matrix;
  readonly postNorm: Float32Array;
  readonly gate: Matrix;
  readonly up: Matrix;
  readonly down: Matrix;
}

/** A whole model in float32, as it lies in memory. */
export interface FloatWeights {
  readonly embedding: Matrix;
  readonly layers: readonly FloatLayer[];
  readonly finalNorm: Float32Array;
  /** The embedding itself where they are tied. */
  readonly lmHead: Matrix;
}

/**
 * Reads all weights of a checkpoint: 4 bytes a parameter in memory.
 * @throws InputError where a weight is NaN or infinite, InterruptedError when the signal fires.
 */
export async function loadFloatWeights(checkpoint: Checkpoint, signal?: AbortSignal): Promise<FloatWeights> {
  const matrix = async (name: string): Promise<Matrix> => {
    if (signal?.aborted === true) throw new InterruptedError();
    const { rows, cols } = checkpoint.tensors.get(name)!;
    const bias = biasName(name);
    return {
      rows,
      cols,
      values: await checkpoint.readRows(name, 0, rows),
      bias: checkpoint.tensors.has(bias) ? await checkpoint.readRows(bias, 0, 1) : undefined,
    };
  };
  const embedding = await matrix(EMBEDDING);
  const layers: FloatLayer[] = [];
  for (let index = 0; index < checkpoint.config.layers; index++) {
    const of = (tensor: LayerTensor) => matrix(layerTensorName(index, tensor));
    layers.push({
      inputNorm: (await of("inputNorm")).values,
      query: await of("query"),
      key: await of("key"),
      value: await of("value"),
      output: await of("output"),
      postNorm: (await of("postNorm")).values,
      gate: await of("gate"),
      up: await of("up"),
      down: await of("down"),
    });
  }
  const finalNorm = (await matrix(FINAL_NORM)).values;
  return { embedding, layers, finalNorm, lmHead: checkpoint.tied ? embedding : await matrix(LM_HEAD) };
}
