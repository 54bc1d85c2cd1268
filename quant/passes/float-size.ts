import { EMBEDDING, LM_HEAD } from "../format/inventory.ts";
import type { Checkpoint } from "../io/checkpoint.ts";

/** Largest model that the float evaluation takes: it lies in memory in float32. */
export const maxFloatBytes = 256 * 2 ** 20;

/** Bytes of a checkpoint's weights in float32. */
export function floatBytes(checkpoint: Checkpoint): number {
  let elements = 0;
  for (const { name, rows, cols } of checkpoint.tensors.values()) {
    if (!(checkpoint.tied && name === LM_HEAD && checkpoint.tensors.has(EMBEDDING))) elements += rows * cols;
  }
  return 4 * elements;
}
