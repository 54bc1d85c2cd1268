import type { QuantizeHooks, QuantizeOptions, QuantizeReport } from "../../quant/passes/quantize.ts";
import type { Sensitivity, SensitivityOptions } from "../../quant/passes/sensitivity.ts";
import type { BenchReport } from "../bench/measure.ts";
import type { EngineName } from "../config/engine.ts";
import type { Check, DeviceEntry } from "../device/check.ts";
import type { Model } from "../engine/model.ts";
import type { OpenModel, OpenModelOptions } from "../engine/open-model.ts";
import type { UploadProgress } from "../engine/upload.ts";
import type { VerifyReport } from "../engine/verify.ts";
import type { EstimateReport, EstimateRequest } from "../estimate/report.ts";
import type { Server, ServerOptions } from "../server/server.ts";

/**
 * What the verbs do their work with. Each loads its module when it is called, so that `accllm --help` stays quick
 * and a missing native library concerns only those who need it. Tests give their own.
 */
export interface Services {
  loadModel(
    path: string,
    options: DeviceChoice & Interruptible & { readonly progress?: UploadProgress | undefined },
  ): Promise<Model>;
  /** A model with all that a conversation needs. */
  openModel(path: string, options: OpenModelOptions): Promise<OpenModel>;
  server(options: ServerOptions): Promise<Server>;
  /** Each device of a list, with the threads that it gets. */
  devicesOf(
    choice: Pick<DeviceChoice, "device" | "threads">,
  ): Promise<Pick<DeviceChoice, "device" | "threads">[]>;
  quantize(options: QuantizeOptions, hooks: QuantizeHooks): Promise<QuantizeReport>;
  /** What every matrix of a checkpoint loses by itself. */
  sensitivity(options: SensitivityOptions, hooks: QuantizeHooks): Promise<Sensitivity>;
  bench(request: BenchRequest, control: Control): Promise<BenchReport>;
  perplexity(request: PerplexityRequest, control: Control): Promise<PerplexityReport>;
  verify(request: VerifyRequest, control: Control): Promise<VerifyReport>;
  inspect(path: string): Promise<Inspection>;
  estimate(request: EstimateRequest): Promise<EstimateReport>;
  doctor(): Promise<readonly Check[]>;
  devices(): Promise<readonly DeviceEntry[]>;
}

export interface Interruptible {
  readonly signal: AbortSignal;
}

/** Long work: it can be interrupted and says how far it is. */
export interface Control extends Interruptible {
  readonly progress: (done: number, total: number, label?: string) => void;
}

export interface DeviceChoice {
  readonly device: string;
  readonly engine: EngineName;
  /** Threads of the fast engine; one a core where absent. */
  readonly threads?: number | undefined;
  readonly xclbin?: string | undefined;
}

export interface BenchRequest extends DeviceChoice {
  /** Model image. */
  readonly path: string;
  /** Lengths of the prompts; what fits the window where absent. */
  readonly prefill?: readonly number[] | undefined;
  /** Tokens that are before the first decoded one. */
  readonly depths: readonly number[];
  readonly decodeTokens: number;
  readonly repetitions: number;
}

export interface PerplexityRequest extends DeviceChoice {
  /** Model image or checkpoint. */
  readonly path: string;
  readonly text: string;
  readonly context: number;
  readonly maxTokens: number;
  readonly tokenizer?: string | undefined;
}

export interface VerifyRequest extends DeviceChoice {
  /** Model image. */
  readonly path: string;
  /** Random small models besides the image's own. */
  readonly randomCases: number;
  /** Seed of the first of them. */
  readonly seed: number;
}

export interface PerplexityReport {
  readonly tokens: number;
  /** Mean, in nats per token. */
  readonly nll: number;
  readonly perplexity: number;
  readonly seconds: number;
}

/** A file's content as titled groups of names and values, and the same for machines. */
export interface Inspection {
  readonly kind: "checkpoint" | "image" | "xclbin";
  readonly json: Readonly<Record<string, unknown>>;
  readonly sections: readonly { readonly title: string; readonly rows: readonly (readonly string[])[] }[];
}
