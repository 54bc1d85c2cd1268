import { EMBEDDING } from "../format/inventory.ts";
import type { Checkpoint } from "../io/checkpoint.ts";

/** Embedding weights that are read at a time. */
const stepWeights = 1 << 22;

/** Embeddings [ids.length][hiddenSize] of tokens; reads the table once, a part at a time. */
export async function embeddingsOf(checkpoint: Checkpoint, ids: readonly number[]): Promise<Float32Array> {
  const { hiddenSize, vocabSize } = checkpoint.config;
  const places = Array.from({ length: vocabSize }, (): number[] => []);
  for (const [place, id] of ids.entries()) places[id]?.push(place);
  const states = new Float32Array(ids.length * hiddenSize);
  const step = Math.max(1, Math.floor(stepWeights / hiddenSize));
  for (let first = 0; first < vocabSize; first += step) {
    const count = Math.min(step, vocabSize - first);
    const rows = await checkpoint.readRows(EMBEDDING, first, count);
    for (let r = 0; r < count; r++) {
      const row = rows.subarray(r * hiddenSize, (r + 1) * hiddenSize);
      for (const place of places[first + r]!) states.set(row, place * hiddenSize);
    }
  }
  return states;
}
