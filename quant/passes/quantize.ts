import { availableParallelism } from "node:os";
import { InputError, UsageError } from "../../host/errors.ts";
import { type ImageTensor, sectionNames } from "../format/image-header.ts";
import { type ImagePlan, modelTensors, planImage, type TensorShape } from "../format/image-plan.ts";
import { ImageWriter } from "../format/image-writer.ts";
import { LM_HEAD } from "../format/inventory.ts";
import { groupSize } from "../format/limits.ts";
import type { ModelConfig } from "../format/model.ts";
import { modelLimitProblem, windowProblem } from "../format/model-limits.ts";
import { type Platform, platforms } from "../format/platform.ts";
import { matrixLayout, storedBitsPerWeight, type WeightFormat } from "../format/weight-layout.ts";
import { type Checkpoint, openCheckpoint, requireTokenizer } from "../io/checkpoint.ts";
import type { TokenizerFiles } from "../io/tokenizer-files.ts";
import { chooseFormats, isSparseCheckpoint } from "./formats.ts";
import { keyMeanSource, matrixError, type Prepared, preparationLength, prepare } from "./prepare.ts";
import { quantizeMatrix } from "./quantize-matrix.ts";
import type { QuantizeHooks, QuantizeOptions, QuantizeReport, TensorReport } from "./quantize-options.ts";
import type { QuantizationError } from "./quantize-rows.ts";
import { describeMethod, type Recipe, resolveRecipe } from "./recipe.ts";
import { RowPool } from "./row-pool.ts";
import { Steps, throwIfAborted } from "./steps.ts";
import { ownFormat, storedGrid } from "./stored-grid.ts";
import { writeTable } from "./write-table.ts";

export type {
  QuantizeHooks,
  QuantizeOptions,
  QuantizeProgress,
  QuantizeReport,
  TensorReport,
} from "./quantize-options.ts";

/**
 * Quantizes a checkpoint and writes a model image. Rounding to nearest streams: memory does not grow with the model,
 * but for the key means of models that are small enough to be calibrated (see centerKeys). The image appears when it
 * is complete; after an error or an abort nothing of it is left. Deterministic: the same checkpoint and options give
 * the same bytes on the same kind of processor.
 * @throws UsageError for options that cannot be; InputError for a bad checkpoint or an output that cannot be
 *   written; ToolchainError where a recipe needs the native library and it is missing; InterruptedError when the
 *   signal fires.
 */
export async function quantizeCheckpoint(
  options: QuantizeOptions,
  hooks: QuantizeHooks = {},
): Promise<QuantizeReport> {
  const start = performance.now();
  const platform = checkOptions(options);
  const tokenizer = options.tokenizer === undefined ? {} : { tokenizer: options.tokenizer };
  const checkpoint = await openCheckpoint(options.checkpoint, tokenizer);
  try {
    checkModel(checkpoint);
    const files = carriedFiles(requireTokenizer(checkpoint));
    const recipe = resolveRecipe(options);
    const length = preparationLength(checkpoint, recipe, options);
    const plan = await planFor(checkpoint, platform, files, options, recipe, hooks);
    const pool = new RowPool(options.threads ?? availableParallelism(), weightsOf(plan));
    const writer = await ImageWriter.create(options.output, plan);
    let prepared: Prepared | undefined;
    try {
      const steps = new Steps(plan, length, hooks);
      prepared = await prepare(checkpoint, plan.header, recipe, options, steps, hooks.signal);
      const tensors = await writeSections(checkpoint, prepared, plan, files, { writer, pool }, steps);
      throwIfAborted(hooks.signal);
      await writer.finish();
      await prepared.finish();
      const { bitsPerWeight, weights, method } = plan.header.quantization;
      return {
        image: options.output,
        bytes: plan.fileBytes,
        bitsPerWeight,
        seconds: (performance.now() - start) / 1000,
        weights,
        keyMeans: prepared.source,
        method,
        ...(prepared.training === undefined ? {} : { finetune: prepared.training }),
        tensors,
      };
    } catch (error) {
      await writer.discard();
      throw error;
    } finally {
      prepared?.close();
      await pool.close();
    }
  } finally {
    await checkpoint.close();
  }
}

function checkOptions(options: QuantizeOptions): Platform {
  const { group = groupSize, platform = "u280", sinks = defaultSinks, window = defaultWindow } = options;
  if (group !== groupSize) {
    throw new UsageError("BAD_GROUP", `The group size is ${group}; the kernel has groups of ${groupSize}.`);
  }
  const problem = windowProblem(sinks, window);
  if (problem !== undefined) throw new UsageError("BAD_WINDOW", `The options ask for ${problem}.`);
  const found = Object.hasOwn(platforms, platform) ? platforms[platform] : undefined;
  if (found !== undefined) return found;
  throw new UsageError("UNKNOWN_PLATFORM", `There is no platform called "${platform}".`, {
    hint: `Platforms are ${Object.keys(platforms).join(", ")}.`,
  });
}

const defaultSinks = 4;
const defaultWindow = 2044;

/** Window that keeps sinks and window within the trained positions; at least one token. */
function trainedWindow({ maxPositions, slidingWindow }: ModelConfig, sinks: number): number {
  return Math.max(1, Math.min(defaultWindow, Math.min(maxPositions, slidingWindow ?? maxPositions) - sinks));
}

function checkModel(checkpoint: Checkpoint): void {
  const problem = modelLimitProblem(checkpoint.config);
  if (problem === undefined) return;
  throw new InputError("MODEL_TOO_LARGE", `The model in ${checkpoint.path} ${problem}.`);
}

function carriedFiles(tokenizer: TokenizerFiles): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>([[sectionNames.tokenizer, tokenizer.tokenizerJson]]);
  if (tokenizer.tokenizerConfig) files.set(sectionNames.tokenizerConfig, tokenizer.tokenizerConfig);
  if (tokenizer.chatTemplate) files.set(sectionNames.chatTemplate, tokenizer.chatTemplate);
  return files;
}

async function planFor(
  checkpoint: Checkpoint,
  platform: Platform,
  files: ReadonlyMap<string, Uint8Array>,
  options: QuantizeOptions,
  recipe: Recipe,
  hooks: QuantizeHooks,
): Promise<ImagePlan> {
  const { matrices } = modelTensors(checkpoint.config);
  const asked = options.weights ?? (recipe.method === "sparsegpt" ? "w2s24" : "auto");
  const own = asked === "auto" ? ownFormats(checkpoint, matrices, options.lmHead) : new Map();
  const weights = await resolveWeights(checkpoint, matrices, asked, own, hooks);
  // What is 2:4 as well is kept in fewer bits than its codes have.
  if (weights === "w2s24") own.clear();
  const formats = chooseFormats(matrices, weights, options.lmHead ?? "w8", options.overrides ?? [], own);
  const kept = matrices.every(
    ({ name }) =>
      name === LM_HEAD || storedGrid(checkpoint.tensors.get(name)!, formats.get(name)!) !== undefined,
  );
  return planImage({
    generator: options.generator ?? "accllm",
    model: checkpoint.config,
    platform,
    kv: {
      hadamard: options.hadamard ?? true,
      centered: keyMeanSource(checkpoint, recipe, options) !== "none",
      sinks: options.sinks ?? defaultSinks,
      window: options.window ?? trainedWindow(checkpoint.config, options.sinks ?? defaultSinks),
    },
    weights,
    method: kept ? "stored codes" : describeMethod(recipe, weights),
    formats,
    files: new Map([...files].map(([name, bytes]) => [name, bytes.length])),
  });
}

/** Formats that matrices are stored in already; the output matrix only where no format is asked for it. */
function ownFormats(
  checkpoint: Checkpoint,
  matrices: readonly TensorShape[],
  lmHead: WeightFormat | undefined,
): Map<string, WeightFormat> {
  const own = new Map<string, WeightFormat>();
  for (const { name } of matrices) {
    const format = ownFormat(checkpoint.tensors.get(name)!);
    if (format !== undefined && (name !== LM_HEAD || lmHead === undefined)) own.set(name, format);
  }
  return own;
}

async function resolveWeights(
  checkpoint: Checkpoint,
  matrices: readonly TensorShape[],
  weights: WeightFormat | "auto",
  own: ReadonlyMap<string, WeightFormat>,
  hooks: QuantizeHooks,
): Promise<WeightFormat> {
  if (weights !== "auto") return weights;
  if ([...own.values()].includes("w4")) return "w4";
  const sparse = await isSparseCheckpoint(checkpoint, matrices, () => throwIfAborted(hooks.signal));
  return sparse ? "w2s24" : "w2";
}

async function writeSections(
  original: Checkpoint,
  { checkpoint, keyMeans }: Prepared,
  plan: ImagePlan,
  files: ReadonlyMap<string, Uint8Array>,
  { writer, pool }: { readonly writer: ImageWriter; readonly pool: RowPool },
  steps: Steps,
): Promise<TensorReport[]> {
  const { header } = plan;
  const reports: TensorReport[] = [];
  for (const tensor of header.tensors) {
    const { name, format } = tensor;
    const error = await quantizeMatrix(
      checkpoint,
      tensor,
      header.platform.weightChannels,
      writer,
      pool,
      steps.of(name),
    );
    // What calibrating left on a grid is stored as it is; the output matrix is rounded only here.
    const kept = storedGrid(checkpoint.tensors.get(name)!, format) !== undefined || name === LM_HEAD;
    const whole =
      checkpoint === original || kept ? error : await matrixError(original, checkpoint, name, error);
    reports.push({ name, format, ...sizeOf(tensor, header.platform.weightChannels), ...summary(whole) });
  }
  // After the matrices: gains and key means are those of layers that are done.
  await writeTable(checkpoint, header, keyMeans, writer, steps.of("model.embed_tokens.weight"));
  for (const [name, bytes] of files) await writer.append(name, bytes);
  return reports;
}

function weightsOf({ header }: ImagePlan): number {
  return header.tensors.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
}

function sizeOf({ format, rows, columns }: ImageTensor, channels: number) {
  const layout = matrixLayout(format, rows, columns, channels);
  return { weights: rows * columns, bitsPerWeight: storedBitsPerWeight(layout) };
}

function summary({ squaredError, energy, roundedRows }: QuantizationError) {
  const relativeError = energy === 0 ? 0 : Math.sqrt(squaredError / energy);
  return { relativeError, exact: squaredError === 0, roundedRows };
}
