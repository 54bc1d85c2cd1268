import { formatsByBits, type WeightFormat } from "../../../quant/format/weight-layout.ts";
import type { BudgetPlan } from "../../../quant/passes/budget.ts";
import type { QuantizeReport } from "../../../quant/passes/quantize.ts";
import type { Sensitivity } from "../../../quant/passes/sensitivity.ts";
import { renderPairs, renderTable } from "./table.ts";
import { formatBytes, formatSeconds } from "./units.ts";

const keyMeansTold = {
  text: "centred on the calibration text",
  self: "centred on what the model wrote",
  none: "not centred",
} as const;

/** Names and values of a report, for people. */
export function summaryPairs({
  image,
  bytes,
  bitsPerWeight,
  seconds,
  keyMeans,
  method,
}: QuantizeReport): [string, string][] {
  return [
    ["image", image],
    ["size", formatBytes(bytes)],
    ["weights", `${bitsPerWeight.toFixed(2)} bits each`],
    ["method", method],
    ["keys", keyMeansTold[keyMeans]],
    ["time", formatSeconds(seconds)],
  ];
}

/** A quantization for the terminal. */
export function renderQuantization(report: QuantizeReport): string {
  const formats = new Map<string, { count: number; worst: number }>();
  for (const { format, relativeError } of report.tensors) {
    const { count, worst } = formats.get(format) ?? { count: 0, worst: 0 };
    formats.set(format, { count: count + 1, worst: Math.max(worst, relativeError) });
  }
  const rows = Array.from(formats, ([format, { count, worst }]) => [
    format,
    String(count),
    worst.toPrecision(3),
  ]);
  return [
    renderTable([["format", "tensors", "largest relative error"], ...rows], ["left", "right", "right"]),
    "\n",
    renderPairs(summaryPairs(report)),
  ].join("");
}

/** Matrices by what they lose, most first; the format that each has or would have is marked. */
export function renderSensitivity(
  { tokens, tensors }: Sensitivity,
  formatOf: (tensor: string) => WeightFormat,
): string {
  const formats = formatsByBits.filter((format) =>
    tensors.some(({ losses }) => losses[format] !== undefined),
  );
  const cost = (i: number) => tensors[i]!.losses[formatOf(tensors[i]!.name)] ?? 0;
  const order = tensors.map((_, i) => i).sort((a, b) => cost(b) - cost(a));
  const rows = order.map((i) => {
    const { name, losses } = tensors[i]!;
    const format = formatOf(name);
    return [name, format, ...formats.map((each) => losses[each]?.toPrecision(3) ?? "-")];
  });
  return [
    renderTable(
      [["tensor", "format", ...formats], ...rows],
      ["left", "left", ...formats.map(() => "right" as const)],
    ),
    `\nLoss of the model with that tensor alone quantized: mean KL divergence in nats a token, over ${tokens} tokens.\n`,
  ].join("");
}

/** What a budget came to. */
export function renderBudget(budget: number, { bitsPerWeight, loss }: BudgetPlan): string {
  return renderPairs([
    ["budget", `${budget} bits a weight`],
    ["planned", `${bitsPerWeight.toFixed(3)} bits a weight`],
    ["losses", `${loss.toPrecision(3)} nats/token in sum`],
  ]);
}
