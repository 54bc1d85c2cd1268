import { describe, expect, it } from "vitest";
import { Random } from "../../../../quant/eval/reference/random.ts";
import { formatsByBits, matrixLayout, storedBitsPerWeight } from "../../../../quant/format/weight-layout.ts";
import { budgetFormats, bulkFormat, pinOverridden, planBudget } from "../../../../quant/passes/budget.ts";
import type { TensorSensitivity } from "../../../../quant/passes/sensitivity.ts";

const channels = 4;

function tensors(seed: number): TensorSensitivity[] {
  const random = new Random(seed);
  return Array.from({ length: 5 }, (_, i) => {
    const loss = Math.exp(2 * random.normal());
    const losses = { w2s24: 3 * loss, w2: loss, w4: loss / (10 + 10 * i), w8: loss / 5000 };
    return {
      name: `layers.${i}.weight`,
      rows: 64 * (1 + random.below(4)),
      columns: 128 * (1 + (i % 3)),
      losses,
    };
  });
}

function bitsOf(
  all: readonly TensorSensitivity[],
  formats: ReadonlyMap<string, (typeof formatsByBits)[number]>,
) {
  let bits = 0;
  let weights = 0;
  for (const { name, rows, columns } of all) {
    bits += storedBitsPerWeight(matrixLayout(formats.get(name)!, rows, columns, channels)) * rows * columns;
    weights += rows * columns;
  }
  return bits / weights;
}

/** The least loss within a budget, by trying everything. */
function leastLoss(all: readonly TensorSensitivity[], budget: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let code = 0; code < 4 ** all.length; code++) {
    const formats = new Map(all.map(({ name }, i) => [name, formatsByBits[Math.floor(code / 4 ** i) % 4]!]));
    if (bitsOf(all, formats) > budget) continue;
    least = Math.min(
      least,
      all.reduce((sum, { name, losses }) => sum + losses[formats.get(name)!]!, 0),
    );
  }
  return least;
}

describe("planBudget", () => {
  it.each([2.2, 2.6, 3.1, 4, 5.5, 7])("comes to the least loss within %s bits, or near it", (budget) => {
    for (const seed of [1, 2, 3]) {
      const all = tensors(seed);
      const plan = planBudget(all, budget, channels);
      expect(plan.bitsPerWeight).toBeLessThanOrEqual(budget);
      expect(plan.bitsPerWeight).toBeCloseTo(bitsOf(all, plan.formats), 9);
      expect(plan.loss).toBeGreaterThanOrEqual(leastLoss(all, budget) - 1e-9);
      expect(plan.loss).toBeLessThanOrEqual(1.1 * leastLoss(all, budget));
    }
  });

  it("takes nothing better than the best, however large the budget", () => {
    const plan = planBudget(tensors(4), 16, channels);
    expect(new Set(plan.formats.values())).toEqual(new Set(["w8"]));
  });

  it("keeps formats that lose nothing", () => {
    const [first, ...rest] = tensors(5);
    const exact = { ...first!, losses: { ...first!.losses, w2s24: 0 } };
    expect(planBudget([exact, ...rest], 16, channels).formats.get(first!.name)).toBe("w2s24");
  });

  it("says what is the least where a budget cannot be met", () => {
    const least = planBudget(tensors(6), 2.1, channels).bitsPerWeight;
    expect(least).toBeLessThan(2.1);
    expect(() => planBudget(tensors(6), 1.9, channels)).toThrow(/cannot be met: .* take 2\.0\d\d at least/);
  });

  it("leaves overridden tensors alone", () => {
    const pinned = pinOverridden(tensors(7), [{ tensor: "layers.2", format: "w8" }]);
    expect(planBudget(pinned, 6, channels).formats.get("layers.2.weight")).toBe("w8");
    expect(() => planBudget(pinned, 2.2, channels)).toThrow(/cannot be met/);
  });

  it("chooses dense formats only where the weights are to be dense", () => {
    expect(budgetFormats("auto")).toEqual(["w2s24", "w2", "w4", "w8"]);
    expect(budgetFormats("w4")).toEqual(["w4", "w8"]);
  });

  it("tells which format most weights have", () => {
    const all = tensors(8);
    const formats = new Map(all.map(({ name }, i) => [name, i === 0 ? ("w8" as const) : ("w2" as const)]));
    expect(bulkFormat(all, { formats, bitsPerWeight: 0, loss: 0 })).toBe("w2");
  });
});
