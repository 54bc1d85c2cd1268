import { InputError } from "../../host/errors.ts";
import { type ImageTensor, weightSection } from "../format/image-header.ts";
import type { ImageWriter } from "../format/image-writer.ts";
import { beatBytes, tileRows, tilesPerExponentBeat } from "../format/limits.ts";
import { exponentBeat, matrixLayout } from "../format/weight-layout.ts";
import { chunkRows, emptyRows, packRows } from "../format/weight-pack.ts";
import type { Checkpoint } from "../io/checkpoint.ts";
import { type QuantizationError, RowQuantizer } from "./quantize-rows.ts";

/** Weights that are read and quantized at a time: bounds memory, and how long the event loop waits. */
const stepWeights = 1 << 18;

/**
 * Quantizes one matrix into the weight sections, a run of tiles in all channels after the other. Memory: the packed
 * run and {@link stepWeights} weights.
 * @param onRows called after every step with the weights it had; may throw to stop.
 * @throws InputError for a weight too large for the format.
 */
export async function quantizeMatrix(
  checkpoint: Checkpoint,
  tensor: ImageTensor,
  channels: number,
  writer: ImageWriter,
  onRows: (weights: number) => void,
): Promise<QuantizationError> {
  const { name, rows, columns } = tensor;
  const layout = matrixLayout(tensor.format, rows, columns, channels);
  const quantizer = new RowQuantizer(layout);
  const runRows = chunkRows(channels);
  const stepRows = Math.min(rows, Math.max(tileRows, Math.floor(stepWeights / columns)));
  const values = new Float32Array(stepRows * columns);
  const quantized = emptyRows(layout, stepRows);
  const runBeats = Math.min(layout.beats, 1 + tilesPerExponentBeat * layout.tileBeats);
  const packed = Array.from({ length: channels }, () => new Uint8Array(runBeats * beatBytes));

  for (let tile = 0; tile < layout.tiles; tile += tilesPerExponentBeat) {
    const firstBeat = exponentBeat(layout, tile);
    const beats = 1 + Math.min(tilesPerExponentBeat, layout.tiles - tile) * layout.tileBeats;
    for (const bytes of packed) bytes.fill(0);
    const runStart = (tile / tilesPerExponentBeat) * runRows;
    const runEnd = Math.min(rows, runStart + runRows);
    for (let row = runStart; row < runEnd; row += stepRows) {
      const part = { ...quantized, rows: Math.min(stepRows, runEnd - row) };
      await checkpoint.readRows(name, row, part.rows, values);
      const refused = quantizer.quantize(values, part);
      if (refused >= 0) {
        throw new InputError(
          "WEIGHT_RANGE",
          `Tensor "${name}" has a weight in row ${row + refused} that is not finite or too large for any scale.`,
        );
      }
      packRows(layout, part, row, packed, firstBeat);
      onRows(part.rows * columns);
    }
    for (const [channel, bytes] of packed.entries()) {
      await writer.append(weightSection(channel), bytes.subarray(0, beats * beatBytes));
    }
  }
  return quantizer.error;
}
