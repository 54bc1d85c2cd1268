import { rename, writeFile } from "node:fs/promises";
import { LM_HEAD } from "../../quant/format/inventory.ts";
import { platforms } from "../../quant/format/platform.ts";
import { formatsByBits, type WeightFormat } from "../../quant/format/weight-layout.ts";
import {
  type BudgetPlan,
  budgetFormats,
  bulkFormat,
  pinOverridden,
  planBudget,
} from "../../quant/passes/budget.ts";
import { overriddenFormat } from "../../quant/passes/formats.ts";
import type { QuantizeOptions, QuantizeReport } from "../../quant/passes/quantize.ts";
import { resolveRecipe } from "../../quant/passes/recipe.ts";
import type { Sensitivity } from "../../quant/passes/sensitivity.ts";
import { packageVersion } from "../config/paths.ts";
import { InputError, UsageError } from "../errors.ts";
import { type CliContext, write, writeJson } from "./context.ts";
import { createProgress } from "./render/progress.ts";
import { renderBudget, renderQuantization, renderSensitivity } from "./render/quantization.ts";
import { type Evaluation, quantizationPage } from "./render/quantization-page.ts";

/** Predicted tokens of an evaluation: enough for two digits, seconds on a small model. */
export const evaluatedTokens = 4096;

export interface QuantizeRequest {
  readonly request: Omit<QuantizeOptions, "output">;
  readonly output?: string | undefined;
  readonly sensitivity?: boolean | undefined;
  /** Bits per weight. */
  readonly budget?: number | undefined;
  /** Text to measure perplexity on. */
  readonly evaluate?: string | undefined;
  /** Report to write; true for the usual place. */
  readonly page?: string | true | undefined;
}

/** Quantizes with what goes around it, and tells of it on stdout. */
export async function quantizeVerb(context: CliContext, asked: QuantizeRequest): Promise<void> {
  const { request, output, budget, evaluate, page } = asked;
  if (output === undefined && (asked.sensitivity !== true || budget !== undefined)) {
    throw new UsageError("OUTPUT_MISSING", "There is no image to write: give one with -o IMAGE.", {
      hint: "Only --sensitivity without --budget needs none.",
    });
  }
  const sensitivity = asked.sensitivity || budget !== undefined ? await measure(context, request) : undefined;
  const plan =
    sensitivity === undefined || budget === undefined ? undefined : planFor(sensitivity, budget, request);
  if (sensitivity !== undefined && !context.json) {
    await write(context.stdout, renderSensitivity(sensitivity, formatsOf(sensitivity, request, plan)));
    await write(context.stdout, "\n");
  }
  if (output === undefined) {
    if (context.json) await writeJson(context, { sensitivity });
    return;
  }
  const planned =
    plan === undefined || sensitivity === undefined ? {} : planOptions(sensitivity, plan, request);
  const report = await quantizeWithProgress(context, { ...request, ...planned, output });
  const evaluation =
    evaluate === undefined ? undefined : await evaluateBoth(context, request, output, evaluate);
  if (page !== undefined) {
    const path = page === true ? `${output}.report.html` : page;
    await writeWhole(path, quantizationPage({ report, sensitivity, evaluation }));
  }
  if (context.json) {
    const extras = {
      sensitivity,
      evaluation,
      ...(plan && { budget: { bitsPerWeight: budget, loss: plan.loss } }),
    };
    await writeJson(context, { ...report, ...extras });
    return;
  }
  await write(context.stdout, renderQuantization(report));
  if (plan !== undefined && budget !== undefined) await write(context.stdout, renderBudget(budget, plan));
  if (evaluation !== undefined) {
    const { before, after } = evaluation;
    const line = `\nperplexity ${before.toFixed(4)} before, ${after.toFixed(4)} after (${(after / before).toFixed(4)} of it)\n`;
    await write(context.stdout, line);
  }
}

/** Quantizes with a progress bar on stderr; also for the demo model of `run`. */
export async function quantizeWithProgress(
  context: CliContext,
  request: QuantizeOptions,
): Promise<QuantizeReport> {
  const progress = createProgress(context, "Quantizing");
  try {
    return await context.services.quantize(
      { ...request, generator: `accllm ${packageVersion()}` },
      {
        signal: context.signal,
        progress: ({ done, total, tensor }) => progress.update(done, total, tensor),
      },
    );
  } finally {
    progress.stop();
  }
}

async function measure(context: CliContext, request: QuantizeRequest["request"]): Promise<Sensitivity> {
  const { checkpoint, tokenizer, calibration, threads, seed, weights = "auto", overrides = [] } = request;
  const formats = new Set([...budgetFormats(weights), ...overrides.map(({ format }) => format)]);
  const calibrated = resolveRecipe(request).method !== "rtn";
  const progress = createProgress(context, "Measuring");
  try {
    return await context.services.sensitivity(
      {
        ...{ checkpoint, tokenizer, calibration, threads, seed, calibrated },
        formats: formatsByBits.filter((format) => formats.has(format)),
      },
      {
        signal: context.signal,
        progress: ({ done, total, tensor }) => progress.update(done, total, tensor),
      },
    );
  } finally {
    progress.stop();
  }
}

function planFor(sensitivity: Sensitivity, budget: number, request: QuantizeRequest["request"]): BudgetPlan {
  const { overrides = [], platform = "u280" } = request;
  const tensors = pinOverridden(sensitivity.tensors, overrides);
  return planBudget(tensors, budget, platforms[platform]!.weightChannels);
}

/** Options that make an image of a plan. */
function planOptions(
  sensitivity: Sensitivity,
  plan: BudgetPlan,
  { overrides = [] }: QuantizeRequest["request"],
) {
  const formats = [...plan.formats].map(([tensor, format]) => ({ tensor, format }));
  return { weights: bulkFormat(sensitivity.tensors, plan), overrides: [...formats, ...overrides] };
}

/** The format that a tensor will have; without a plan as far as it is known before quantizing. */
function formatsOf(
  sensitivity: Sensitivity,
  { weights = "auto", lmHead = "w8", overrides = [] }: QuantizeRequest["request"],
  plan: BudgetPlan | undefined,
): (tensor: string) => WeightFormat {
  const layers = sensitivity.tensors.filter(({ name }) => name !== LM_HEAD);
  const sparse = layers.every(({ losses }) => losses.w2s24 === 0);
  const usual = weights !== "auto" ? weights : sparse ? "w2s24" : "w2";
  return (tensor) =>
    plan?.formats.get(tensor) ?? overriddenFormat(tensor, overrides) ?? (tensor === LM_HEAD ? lmHead : usual);
}

async function evaluateBoth(
  context: CliContext,
  { checkpoint, tokenizer, threads }: QuantizeRequest["request"],
  image: string,
  text: string,
): Promise<Evaluation> {
  const progress = createProgress(context, "Evaluating");
  const of = (path: string, part: number, own: { readonly tokenizer?: string | undefined }) =>
    context.services.perplexity(
      {
        path,
        text,
        context: 256,
        maxTokens: evaluatedTokens,
        device: "emulator",
        engine: "fast",
        threads,
        ...own,
      },
      { signal: context.signal, progress: (done, total) => progress.update(part * total + done, 2 * total) },
    );
  try {
    const before = await of(checkpoint, 0, { tokenizer });
    const after = await of(image, 1, {});
    return { text, tokens: after.tokens, before: before.perplexity, after: after.perplexity };
  } finally {
    progress.stop();
  }
}

/** Writes beside, then renames. */
async function writeWhole(path: string, content: string): Promise<void> {
  try {
    await writeFile(`${path}.partial`, content);
    await rename(`${path}.partial`, path);
  } catch (cause) {
    throw new InputError("OUTPUT_WRITE_FAILED", `Cannot write ${path}: ${(cause as Error).message}.`, {
      cause,
    });
  }
}
