import { UsageError } from "../../host/errors.ts";
import type { TensorShape } from "../format/image-plan.ts";
import { LM_HEAD } from "../format/inventory.ts";
import type { WeightFormat } from "../format/weight-layout.ts";
import type { Checkpoint } from "../io/checkpoint.ts";
import { isTwoOfFour } from "./prune.ts";

/** Gives a format to the tensors whose name a pattern matches. */
export interface FormatOverride {
  /**
   * A tensor's name; `*` stands for any characters. What precedes a dot and a trailing ".weight" may be left out:
   * "down_proj" means that matrix of every layer, "layers.0.*" all matrices of the first.
   */
  readonly tensor: string;
  readonly format: WeightFormat;
}

/**
 * The format of every matrix: `weights` for the layers', `lmHead` for the output's, then the overrides in order, so
 * that the last one that matches a tensor holds.
 * @param own formats that matrices have already, by name; they come before `weights` and `lmHead`.
 * @throws UsageError for an override that matches nothing.
 */
export function chooseFormats(
  matrices: readonly TensorShape[],
  weights: WeightFormat,
  lmHead: WeightFormat,
  overrides: readonly FormatOverride[],
  own: ReadonlyMap<string, WeightFormat> = new Map(),
): Map<string, WeightFormat> {
  const formats = new Map(
    matrices.map(({ name }) => [name, own.get(name) ?? (name === LM_HEAD ? lmHead : weights)]),
  );
  for (const { tensor, format } of overrides) {
    const pattern = overridePattern(tensor);
    const matching = matrices.filter(({ name }) => pattern.test(name));
    if (matching.length === 0) {
      throw new UsageError("OVERRIDE_UNMATCHED", `The override "${tensor}=${format}" matches no tensor.`, {
        hint: `The first tensor is called ${matrices[0]?.name}; * stands for any characters.`,
      });
    }
    for (const { name } of matching) formats.set(name, format);
  }
  return formats;
}

/** The format that overrides give to a tensor, the last that matches; undefined where none does. */
export function overriddenFormat(
  name: string,
  overrides: readonly FormatOverride[],
): WeightFormat | undefined {
  return overrides.findLast(({ tensor }) => overridePattern(tensor).test(name))?.format;
}

function overridePattern(tensor: string): RegExp {
  const body = tensor
    .split("*")
    .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"))
    .join(".*");
  return new RegExp(`^(?:.*\\.)?${body}(?:\\.weight)?$`);
}

/** Weights that are looked at a time. */
const stepWeights = 1 << 19;

/**
 * Whether all matrices of the layers (not lm_head) are 2:4 along their inputs already. Stops at the first weight
 * that is not, so a dense checkpoint costs one read; one that is 2:4 is read once more than for quantizing.
 * @param onStep called between reads; may throw to stop.
 */
export async function isSparseCheckpoint(
  checkpoint: Checkpoint,
  matrices: readonly TensorShape[],
  onStep: () => void,
): Promise<boolean> {
  for (const { name, rows, columns } of matrices) {
    if (name === LM_HEAD) continue;
    const step = Math.min(rows, Math.max(1, Math.floor(stepWeights / columns)));
    const values = new Float32Array(step * columns);
    for (let row = 0; row < rows; row += step) {
      onStep();
      const count = Math.min(step, rows - row);
      await checkpoint.readRows(name, row, count, values);
      for (let r = 0; r < count; r++) if (!isTwoOfFour(values, r * columns, columns)) return false;
    }
  }
  return true;
}
