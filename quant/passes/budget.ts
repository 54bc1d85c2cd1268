import { UsageError } from "../../host/errors.ts";
import { LM_HEAD } from "../format/inventory.ts";
import {
  formatsByBits,
  matrixLayout,
  storedBitsPerWeight,
  type WeightFormat,
} from "../format/weight-layout.ts";
import { type FormatOverride, overriddenFormat } from "./formats.ts";
import type { TensorSensitivity } from "./sensitivity.ts";

/**
 * Formats that a budget chooses from: all where 2:4 may be taken, else the dense ones from that of the weights up.
 */
export function budgetFormats(weights: WeightFormat | "auto"): readonly WeightFormat[] {
  if (weights === "auto") return formatsByBits;
  return formatsByBits.slice(formatsByBits.indexOf(weights));
}

/** Leaves matrices that an override names only that format. */
export function pinOverridden(
  tensors: readonly TensorSensitivity[],
  overrides: readonly FormatOverride[],
): TensorSensitivity[] {
  return tensors.map((tensor) => {
    const pinned = overriddenFormat(tensor.name, overrides);
    if (pinned === undefined) return tensor;
    return { ...tensor, losses: { [pinned]: tensor.losses[pinned] ?? 0 } };
  });
}

/** A format that a matrix could have. */
interface Choice {
  readonly format: WeightFormat;
  /** As the image counts them: scales, positions and padding included. */
  readonly bits: number;
  readonly loss: number;
}

/** What a budget comes to. */
export interface BudgetPlan {
  readonly formats: ReadonlyMap<string, WeightFormat>;
  /** Over all matrices. */
  readonly bitsPerWeight: number;
  /** Sum of what the matrices lose by themselves. */
  readonly loss: number;
}

/** The format of most of the layers' weights in a plan. */
export function bulkFormat(tensors: readonly TensorSensitivity[], { formats }: BudgetPlan): WeightFormat {
  const weights = new Map<WeightFormat, number>();
  for (const { name, rows, columns } of tensors) {
    if (name === LM_HEAD) continue;
    const format = formats.get(name)!;
    weights.set(format, (weights.get(format) ?? 0) + rows * columns);
  }
  return [...weights].sort(([, a], [, b]) => b - a)[0]![0];
}

/**
 * The format of every matrix for which the sum of the losses is least with no more than `budget` bits a weight: from
 * the fewest bits up, the step that saves most loss a bit first, then whatever still fits, then exchanges of two.
 * @param tensors with losses of the formats that may be chosen; matrices that have only one keep it.
 * @param channels over which an image spreads its weights.
 * @throws UsageError where even the fewest bits are over the budget.
 */
export function planBudget(
  tensors: readonly TensorSensitivity[],
  budget: number,
  channels: number,
): BudgetPlan {
  const weights = tensors.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
  const options = tensors.map((tensor) => choicesOf(tensor, channels));
  const chosen = options.map((choices) => choices[0]!);
  let left = budget * weights - chosen.reduce((sum, { bits }) => sum + bits, 0);
  if (left < 0) {
    const least = budget - left / weights;
    throw new UsageError(
      "BUDGET_TOO_SMALL",
      `A budget of ${budget} bits a weight cannot be met: the formats to choose from take ${least.toFixed(3)} at least.`,
      { hint: "With --weights auto or w2s24 the budget may choose 2:4, which takes the fewest bits." },
    );
  }
  for (;;) {
    const step = bestStep(options, chosen, left) ?? bestExchange(options, chosen, left);
    if (step === undefined) break;
    for (const [tensor, choice] of step) {
      left += chosen[tensor]!.bits - choice.bits;
      chosen[tensor] = choice;
    }
  }
  return {
    formats: new Map(tensors.map(({ name }, i) => [name, chosen[i]!.format])),
    bitsPerWeight: budget - left / weights,
    loss: chosen.reduce((sum, { loss }) => sum + loss, 0),
  };
}

/** By bits; those that cost more bits and no less loss than another are left out. */
function choicesOf({ rows, columns, losses }: TensorSensitivity, channels: number): Choice[] {
  const all = (Object.entries(losses) as [WeightFormat, number][])
    .map(([format, loss]) => {
      const bits = storedBitsPerWeight(matrixLayout(format, rows, columns, channels)) * rows * columns;
      return { format, bits, loss };
    })
    .sort((a, b) => a.bits - b.bits);
  const useful: Choice[] = [];
  for (const choice of all)
    if (choice.loss < (useful.at(-1)?.loss ?? Number.POSITIVE_INFINITY)) useful.push(choice);
  return useful;
}

type Step = readonly (readonly [tensor: number, choice: Choice])[];

/** The change of one matrix that fits and saves the most loss for its bits. */
function bestStep(options: readonly Choice[][], chosen: readonly Choice[], left: number): Step | undefined {
  let best: Step | undefined;
  let bestRate = 0;
  for (const [tensor, choices] of options.entries()) {
    const now = chosen[tensor]!;
    for (const choice of choices) {
      const more = choice.bits - now.bits;
      if (more <= 0 || more > left) continue;
      const rate = (now.loss - choice.loss) / more;
      if (rate > bestRate) {
        bestRate = rate;
        best = [[tensor, choice]];
      }
    }
  }
  return best;
}

/** The change of two matrices, one to more bits and one to fewer, that fits and saves the most loss. */
function bestExchange(
  options: readonly Choice[][],
  chosen: readonly Choice[],
  left: number,
): Step | undefined {
  let best: Step | undefined;
  let bestSaved = 0;
  const changes = options.flatMap((choices, tensor) =>
    choices
      .filter((choice) => choice !== chosen[tensor])
      .map((choice) => ({
        tensor,
        choice,
        bits: choice.bits - chosen[tensor]!.bits,
        saved: chosen[tensor]!.loss - choice.loss,
      })),
  );
  for (const up of changes) {
    if (up.saved <= bestSaved) continue;
    for (const down of changes) {
      if (down.tensor === up.tensor || up.bits + down.bits > left) continue;
      const saved = up.saved + down.saved;
      if (saved <= bestSaved) continue;
      bestSaved = saved;
      best = [
        [up.tensor, up.choice],
        [down.tensor, down.choice],
      ];
    }
  }
  return best;
}
