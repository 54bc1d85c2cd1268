import { InputError, InterruptedError, UsageError } from "../../host/errors.ts";
import { sectionNames } from "../format/image-header.ts";
import { type ImagePlan, modelTensors, planImage, type TensorShape } from "../format/image-plan.ts";
import { ImageWriter } from "../format/image-writer.ts";
import { groupSize } from "../format/limits.ts";
import { modelLimitProblem, windowProblem } from "../format/model-limits.ts";
import { type Platform, platforms } from "../format/platform.ts";
import type { WeightFormat } from "../format/weight-layout.ts";
import { type Checkpoint, openCheckpoint, requireTokenizer } from "../io/checkpoint.ts";
import type { TokenizerFiles } from "../io/tokenizer-files.ts";
import { chooseFormats, type FormatOverride, isSparseCheckpoint } from "./formats.ts";
import { calibrateKeyMeans, floatBytes, type KeyMeanSource, maxFloatBytes } from "./key-means.ts";
import { quantizeMatrix } from "./quantize-matrix.ts";
import type { QuantizationError } from "./quantize-rows.ts";
import { writeTable } from "./write-table.ts";

export interface QuantizeOptions {
  /** Folder in Hugging Face form, or a llama2.c .bin file. */
  readonly checkpoint: string;
  /** Image to write; replaced when it exists. */
  readonly output: string;
  /** Format of the layers' matrices; "auto" (default) is w2s24 where all of them are 2:4 already, else w2. */
  readonly weights?: WeightFormat | "auto" | undefined;
  /** Weights along the input that share a scale; 64 is the only size that the kernel has. */
  readonly group?: number | undefined;
  readonly overrides?: readonly FormatOverride[] | undefined;
  /** Format of the output matrix, default w8. */
  readonly lmHead?: WeightFormat | undefined;
  /** Name of the platform, default u280. */
  readonly platform?: string | undefined;
  /** Rotate Q, K and V per head before they are stored, default true. */
  readonly hadamard?: boolean | undefined;
  /**
   * Subtract a calibrated mean from every key before it is stored, default true. Models of more than 256 MB in float32
   * are not calibrated; the report says so.
   */
  readonly centerKeys?: boolean | undefined;
  /** Text file to calibrate on; default: what the model writes itself. */
  readonly calibration?: string | undefined;
  /** First positions that every token attends to: default of the image's sessions, 4 unless given. */
  readonly sinks?: number | undefined;
  /**
   * Latest positions that a token attends to, itself included; default 2044, or fewer where the model was trained on
   * fewer positions: distances it has never seen would spoil every text that outgrows them.
   */
  readonly window?: number | undefined;
  /** tokenizer.json or llama2.c tokenizer.bin; default: beside the weights. */
  readonly tokenizer?: string | undefined;
  /** Name and version of the program, for the image's header. */
  readonly generator?: string | undefined;
}

/** How far a run is, in weights; calibrating counts as much as all weights do. */
export interface QuantizeProgress {
  readonly done: number;
  readonly total: number;
  /** The tensor in work, or what else is. */
  readonly tensor: string;
}

export interface QuantizeHooks {
  readonly progress?: ((progress: QuantizeProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface TensorReport {
  readonly name: string;
  readonly format: WeightFormat;
  /** Root of squared error over squared weights. */
  readonly relativeError: number;
  /** Every weight is stored as it is in the checkpoint. */
  readonly exact: boolean;
  /** Rows that have a scale rounded to less than float16's eleven bits (scales that span more than 2^5). */
  readonly roundedRows: number;
}

export interface QuantizeReport {
  readonly image: string;
  /** Size of the file. */
  readonly bytes: number;
  /** Stored bits of all matrices, scales, zero-points and padding included, per weight. */
  readonly bitsPerWeight: number;
  readonly seconds: number;
  /** What "auto" came to. */
  readonly weights: WeightFormat;
  /** What the key means were calibrated on; "none" where keys are not centred. */
  readonly keyMeans: KeyMeanSource;
  readonly tensors: readonly TensorReport[];
}

/**
 * Quantizes a checkpoint to nearest and writes a model image. Streams: memory does not grow with the model, but for
 * the key means of models that are small enough to be calibrated (see centerKeys). The image appears when it is complete; after an error or an abort nothing of it is left. Deterministic: the same
 * checkpoint and options give the same bytes.
 * @throws UsageError for options that cannot be; InputError for a bad checkpoint or an output that cannot be
 *   written; InterruptedError when the signal fires.
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
    const keyMeans = keyMeanSource(checkpoint, options);
    const plan = await planFor(checkpoint, platform, files, options, keyMeans !== "none", hooks);
    const writer = await ImageWriter.create(options.output, plan);
    try {
      const steps = new Steps(plan, hooks);
      const means = keyMeans === "none" ? undefined : await centre(checkpoint, options, steps, hooks);
      const tensors = await writeSections(checkpoint, plan, means, files, writer, steps);
      throwIfAborted(hooks.signal);
      await writer.finish();
      const { bitsPerWeight, weights } = plan.header.quantization;
      const seconds = (performance.now() - start) / 1000;
      const bytes = plan.fileBytes;
      return { image: options.output, bytes, bitsPerWeight, seconds, weights, keyMeans, tensors };
    } catch (error) {
      await writer.discard();
      throw error;
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
function trainedWindow(maxPositions: number, sinks: number): number {
  return Math.max(1, Math.min(defaultWindow, maxPositions - sinks));
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
  centered: boolean,
  hooks: QuantizeHooks,
): Promise<ImagePlan> {
  const { matrices } = modelTensors(checkpoint.config);
  const weights = await resolveWeights(checkpoint, matrices, options.weights ?? "auto", hooks);
  return planImage({
    generator: options.generator ?? "accllm",
    model: checkpoint.config,
    platform,
    kv: {
      hadamard: options.hadamard ?? true,
      centered,
      sinks: options.sinks ?? defaultSinks,
      window: options.window ?? trainedWindow(checkpoint.config.maxPositions, options.sinks ?? defaultSinks),
    },
    weights,
    method: "round",
    formats: chooseFormats(matrices, weights, options.lmHead ?? "w8", options.overrides ?? []),
    files: new Map([...files].map(([name, bytes]) => [name, bytes.length])),
  });
}

async function resolveWeights(
  checkpoint: Checkpoint,
  matrices: readonly TensorShape[],
  weights: WeightFormat | "auto",
  hooks: QuantizeHooks,
): Promise<WeightFormat> {
  if (weights !== "auto") return weights;
  const sparse = await isSparseCheckpoint(checkpoint, matrices, () => throwIfAborted(hooks.signal));
  return sparse ? "w2s24" : "w2";
}

function keyMeanSource(checkpoint: Checkpoint, options: QuantizeOptions): KeyMeanSource {
  if (options.centerKeys === false || floatBytes(checkpoint) > maxFloatBytes) return "none";
  return options.calibration === undefined ? "self" : "text";
}

function centre(
  checkpoint: Checkpoint,
  { calibration }: QuantizeOptions,
  steps: Steps,
  { signal }: QuantizeHooks,
): Promise<Float32Array[]> {
  const onProgress = steps.phase("calibrating key means");
  return calibrateKeyMeans(checkpoint, { text: calibration, onProgress, signal });
}

async function writeSections(
  checkpoint: Checkpoint,
  plan: ImagePlan,
  keyMeans: readonly Float32Array[] | undefined,
  files: ReadonlyMap<string, Uint8Array>,
  writer: ImageWriter,
  steps: Steps,
): Promise<TensorReport[]> {
  const { header } = plan;
  await writeTable(checkpoint, header, keyMeans, writer, steps.of("model.embed_tokens.weight"));
  const reports: TensorReport[] = [];
  for (const tensor of header.tensors) {
    const { name, format } = tensor;
    const error = await quantizeMatrix(
      checkpoint,
      tensor,
      header.platform.weightChannels,
      writer,
      steps.of(name),
    );
    reports.push({ name, format, ...summary(error) });
  }
  for (const [name, bytes] of files) await writer.append(name, bytes);
  return reports;
}

/** Counts what is done and tells it; stops the run when the signal fires. */
class Steps {
  readonly #hooks: QuantizeHooks;
  readonly #weights: number;
  readonly #total: number;
  #done = 0;

  constructor({ header }: ImagePlan, hooks: QuantizeHooks) {
    const embedding = header.model.vocabSize * header.model.hiddenSize;
    this.#hooks = hooks;
    this.#weights = header.tensors.reduce((sum, { rows, columns }) => sum + rows * columns, embedding);
    this.#total = this.#weights * (header.kv.centered ? 2 : 1);
    throwIfAborted(hooks.signal);
  }

  /** For work on a tensor: takes the weights that are done. */
  of(tensor: string): (weights: number) => void {
    return (weights) => this.#tell(this.#done + weights, tensor);
  }

  /** For a phase before the tensors that is as long as they all are: takes the part of it that is done. */
  phase(name: string): (part: number) => void {
    const start = this.#done;
    return (part) => this.#tell(start + part * this.#weights, name);
  }

  #tell(done: number, tensor: string): void {
    throwIfAborted(this.#hooks.signal);
    this.#done = done;
    this.#hooks.progress?.({ done, total: this.#total, tensor });
  }
}

function summary({ squaredError, energy, roundedRows }: QuantizationError) {
  const relativeError = energy === 0 ? 0 : Math.sqrt(squaredError / energy);
  return { relativeError, exact: squaredError === 0, roundedRows };
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new InterruptedError("Quantizing was interrupted; nothing was written.");
}
