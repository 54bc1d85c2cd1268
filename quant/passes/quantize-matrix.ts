import { InputError } from "../../host/errors.ts";
import { type ImageTensor, weightSection } from "../format/image-header.ts";
import type { ImageWriter } from "../format/image-writer.ts";
import { beatBytes, tileRows, tilesPerExponentBeat } from "../format/limits.ts";
import { exponentBeat, matrixLayout } from "../format/weight-layout.ts";
import { chunkRows } from "../format/weight-pack.ts";
import type { Checkpoint } from "../io/checkpoint.ts";
import type { QuantizationError } from "./quantize-rows.ts";
import type { RowPool } from "./row-pool.ts";
import type { RowStep, RowStepResult } from "./row-step.ts";
import { packStored, storedGrid } from "./stored-grid.ts";

/** Weights that are read and quantized at a time: bounds memory, and how long the event loop waits. */
const stepWeights = 1 << 18;

/**
 * Quantizes one matrix into the weight sections, a run of tiles in all channels after the other; what is quantized
 * already, to as many bits, stays as it is. Memory: the packed
 * run and {@link stepWeights} weights a thread.
 * @param onRows called after every step with the weights it had; may throw to stop.
 * @throws InputError for a weight too large for the format.
 */
export async function quantizeMatrix(
  checkpoint: Checkpoint,
  tensor: ImageTensor,
  channels: number,
  writer: ImageWriter,
  pool: RowPool,
  onRows: (weights: number) => void,
): Promise<QuantizationError> {
  const { name, rows, columns } = tensor;
  const layout = matrixLayout(tensor.format, rows, columns, channels);
  const runRows = chunkRows(channels);
  const stepRows = Math.max(1, Math.floor(stepWeights / columns / tileRows)) * tileRows;
  const buffers = Array.from(
    { length: pool.width },
    () => new Float32Array(pool.bytes(4 * Math.min(rows, stepRows) * columns).buffer),
  );
  const runBeats = Math.min(layout.beats, 1 + tilesPerExponentBeat * layout.tileBeats);
  const packed = Array.from({ length: channels }, () => pool.bytes(runBeats * beatBytes));
  const total: QuantizationError = { squaredError: 0, energy: 0, roundedRows: 0 };

  const grid = storedGrid(checkpoint.tensors.get(name)!, tensor.format);

  const step = async (row: number, count: number, values: Float32Array, firstBeat: number) => {
    const place = { layout, rows: count, firstRow: row, packed, firstBeat };
    const result = await (grid === undefined ? round(values, place) : packStored(grid, place));
    if (result.refused >= 0) {
      throw new InputError(
        "WEIGHT_RANGE",
        `Tensor "${name}" has a weight in row ${row + result.refused} that is not finite or too large for any scale.`,
      );
    }
    onRows(count * columns);
    return result;
  };

  const round = async (values: Float32Array, place: Omit<RowStep, "values">) => {
    await checkpoint.readRows(name, place.firstRow, place.rows, values);
    return pool.run({ ...place, values });
  };

  for (let tile = 0; tile < layout.tiles; tile += tilesPerExponentBeat) {
    const firstBeat = exponentBeat(layout, tile);
    const beats = 1 + Math.min(tilesPerExponentBeat, layout.tiles - tile) * layout.tileBeats;
    for (const bytes of packed) bytes.fill(0);
    const runStart = (tile / tilesPerExponentBeat) * runRows;
    const runEnd = Math.min(rows, runStart + runRows);
    const starts = Array.from(
      { length: Math.ceil((runEnd - runStart) / stepRows) },
      (_, i) => runStart + i * stepRows,
    );
    const results = new Array<RowStepResult>(starts.length);
    let next = 0;
    const lane = async (values: Float32Array) => {
      for (let i = next++; i < starts.length; i = next++) {
        const row = starts[i]!;
        results[i] = await step(row, Math.min(stepRows, runEnd - row), values, firstBeat);
      }
    };
    await allOrFirstError(buffers.map(lane));
    // In the order of the rows, so that the sums do not depend on who was quicker.
    for (const { error } of results) {
      total.squaredError += error.squaredError;
      total.energy += error.energy;
      total.roundedRows += error.roundedRows;
    }
    for (const [channel, bytes] of packed.entries()) {
      await writer.append(weightSection(channel), bytes.subarray(0, beats * beatBytes));
    }
  }
  return total;
}

/** Waits for all, so that nothing is still at work after an error. */
async function allOrFirstError(work: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((one) => one.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}
