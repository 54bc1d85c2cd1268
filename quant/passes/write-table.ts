import { InputError } from "../../host/errors.ts";
import { floatsToFloat16 } from "../format/float16.ts";
import { beatsOf, type ImageHeader, sectionNames } from "../format/image-header.ts";
import type { ImageWriter } from "../format/image-writer.ts";
import { EMBEDDING } from "../format/inventory.ts";
import { beatBytes } from "../format/limits.ts";
import type { Checkpoint } from "../io/checkpoint.ts";

/** Embedding weights that are converted at a time. */
const stepWeights = 1 << 19;

/**
 * Writes the table section: embeddings in float16 (nearest, ties to even), gains and biases in float32, key means.
 * @param keyMeans [kvHeads * headDim] a layer; zeros where there are none.
 * @param onRows called after every step with the embedding weights it had; may throw to stop.
 * @throws InputError for an embedding beyond float16's range.
 */
export async function writeTable(
  checkpoint: Checkpoint,
  header: ImageHeader,
  keyMeans: readonly Float32Array[] | undefined,
  writer: ImageWriter,
  onRows: (weights: number) => void,
): Promise<void> {
  await writeEmbedding(checkpoint, header, writer, onRows);
  const { kvHeads, headDim, layers } = header.model;
  const { gains, biases } = header.table;
  for (const name of [...Object.keys(gains), ...Object.keys(biases)]) {
    await writer.append(sectionNames.table, paddedFloats(await checkpoint.readRows(name, 0, 1)));
  }
  const zeros = new Float32Array(kvHeads * headDim);
  for (let layer = 0; layer < layers; layer++) {
    await writer.append(sectionNames.table, paddedFloats(keyMeans?.[layer] ?? zeros));
  }
}

async function writeEmbedding(
  checkpoint: Checkpoint,
  header: ImageHeader,
  writer: ImageWriter,
  onRows: (weights: number) => void,
): Promise<void> {
  const { vocabSize, hiddenSize } = header.model;
  const rowHalves = (header.table.embedding.rowBeats * beatBytes) / 2;
  const step = Math.min(vocabSize, Math.max(1, Math.floor(stepWeights / hiddenSize)));
  const values = new Float32Array(step * hiddenSize);
  const halves = new Uint16Array(step * rowHalves);
  for (let token = 0; token < vocabSize; token += step) {
    const rows = Math.min(step, vocabSize - token);
    await checkpoint.readRows(EMBEDDING, token, rows, values);
    for (let r = 0; r < rows; r++) {
      const row = values.subarray(r * hiddenSize, (r + 1) * hiddenSize);
      const bad = floatsToFloat16(row, halves.subarray(r * rowHalves, r * rowHalves + hiddenSize));
      if (bad >= 0) {
        throw new InputError(
          "WEIGHT_RANGE",
          `Tensor "${EMBEDDING}" is ${row[bad]} at [${token + r}, ${bad}]; embeddings have to fit in float16.`,
        );
      }
    }
    await writer.append(sectionNames.table, new Uint8Array(halves.buffer, 0, rows * rowHalves * 2));
    onRows(rows * hiddenSize);
  }
}

function paddedFloats(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(beatsOf(values.byteLength) * beatBytes);
  new Float32Array(bytes.buffer).set(values);
  return bytes;
}
