import { rmsNorm } from "../../quant/eval/reference/norm.ts";
import type { ImageHeader } from "../../quant/format/image-header.ts";
import { beatBytes } from "../../quant/format/limits.ts";
import { modelTensors } from "./model-tensors.ts";

/** The norm before the logits, in float32 as docs/numerics.md has it, without the int8 that the kernel makes of it. */
export class FinalNorm {
  readonly #gain: Float32Array;
  readonly #epsilon: number;

  /** @param table the image's table section; the gains are copied */
  constructor(table: Uint8Array, header: ImageHeader) {
    const { hiddenSize, rmsNormEps } = header.model;
    const start = modelTensors(header).finalGain * beatBytes;
    this.#gain = new Float32Array(hiddenSize);
    new Uint8Array(this.#gain.buffer).set(table.subarray(start, start + 4 * hiddenSize));
    this.#epsilon = rmsNormEps;
  }

  /** @param output [hiddenSize] of the last layer */
  apply(output: Float32Array): Float32Array {
    return rmsNorm(output, this.#gain, this.#epsilon);
  }
}
