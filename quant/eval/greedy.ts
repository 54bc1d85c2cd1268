import type { FloatModel } from "./float-model.ts";

/** Index of the highest logit, the first among equals. */
export function argmax(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i;
  return best;
}

/**
 * Continues a prompt with the most likely token, `count` times or until one of `stopIds`, which is not returned.
 * The sequence begins anew.
 */
export function generateGreedily(
  model: FloatModel,
  prompt: readonly number[],
  count: number,
  stopIds: readonly number[] = [],
): number[] {
  model.reset();
  const ids: number[] = [];
  let logits = model.forward(prompt);
  while (ids.length < count) {
    const id = argmax(logits);
    if (stopIds.includes(id)) break;
    ids.push(id);
    if (ids.length < count) logits = model.forward([id]);
  }
  return ids;
}
