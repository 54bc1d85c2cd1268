import { descriptorBytes, statusBeats, tokenRecordBeats } from "../../quant/format/command.ts";
import { beatsOf, type ImageHeader, weightSection } from "../../quant/format/image-header.ts";
import { type KvLayout, kvLayout } from "../../quant/format/kv-layout.ts";
import { beatBytes, kvBlockSlots, limits } from "../../quant/format/limits.ts";
import { type Limits, modelLimitProblem, windowProblem } from "../../quant/format/model-limits.ts";
import { kernelAbiVersion, type Platform } from "../../quant/format/platform.ts";
import { DeviceError, InputError, UsageError } from "../errors.ts";
import type { Descriptor } from "./commands.ts";
import { type ForwardPass, forwardPass, hiddenPass } from "./forward-pass.ts";
import { modelTensors, sectionBytes } from "./model-tensors.ts";

export interface PlanOptions {
  /** First positions that every token attends to; default from the image. */
  readonly sinks?: number | undefined;
  /** Latest positions that a token attends to, itself included; default from the image. */
  readonly window?: number | undefined;
  /** Whether the kernel writes out every activation. Default false. */
  readonly trace?: boolean | undefined;
  /** Maxima of the kernel that will run; default: the format's, which the emulator takes. */
  readonly kernelLimits?: Limits | undefined;
}

/** One buffer of the kernel. */
export interface BufferPlan {
  /** Kernel argument that it is for. */
  readonly argument: string;
  readonly bytes: number;
  /** Bank that the argument is connected to. */
  readonly bank: number;
}

/** Where a job lies in io; offsets in beats. */
export interface JobPlace {
  /** Of the records of a block of limits.blockTokens; those of a smaller one begin later. */
  readonly inputOffset: number;
  readonly jobOffset: number;
  readonly statusOffset: number;
}

/**
 * The io buffer; offsets in beats. A block's token records end where the job begins, and status and logits follow it:
 * one sync sends records, job and a status of zeros, and one brings back the status and a single token's logits.
 */
export interface IoPlan extends JobPlace {
  /** Beats of a token record. */
  readonly inputStride: number;
  /** Logits, one row a token of the block. */
  readonly logitsOffset: number;
  readonly logitsRowBeats: number;
  /** Traced activations; their places are in the forward pass. */
  readonly dumpOffset: number;
  readonly dumpBeats: number;
  /** Outputs of the last layer, one row a token of the block. */
  readonly hiddenOffset: number;
  readonly hiddenRowBeats: number;
  readonly commandOffset: number;
  readonly commandCount: number;
  /** The stream that ends with the last layer's output. */
  readonly hiddenCommandOffset: number;
  readonly hiddenCommandCount: number;
  /** Places of jobs without results, of which several are under way at a time. */
  readonly queue: readonly JobPlace[];
  readonly beats: number;
}

/** int16 cosines and sines by distance, behind the image's table section; offsets in beats. */
export interface DistanceTable {
  readonly offset: number;
  readonly rowBeats: number;
  readonly rows: number;
}

/** What lies where in the device's memory for one model and one window. */
export interface MemoryPlan {
  readonly platform: Platform;
  readonly sinks: number;
  readonly window: number;
  readonly kv: KvLayout;
  readonly buffers: readonly BufferPlan[];
  /** Undefined where keys are not centred. */
  readonly distances: DistanceTable | undefined;
  readonly io: IoPlan;
  readonly forward: ForwardPass;
  /** The forward pass up to the last layer's output. */
  readonly hidden: readonly Descriptor[];
}

/**
 * Jobs that are under way at a time: twice what the emulator makes one of, so that it never waits for the host.
 */
export const queueLength = 6;

/** XRT allocates whole pages. */
const pageBytes = 4096;

/**
 * Lays out a model's buffers on a platform and writes its forward pass; allocates nothing.
 * @throws UsageError for sinks or a window that the kernel or its memory cannot hold, InputError for an image that
 *   is inconsistent or for another platform, DeviceError for a model over the platform's memory
 */
export function planMemory(header: ImageHeader, platform: Platform, options: PlanOptions = {}): MemoryPlan {
  checkPlatform(header, platform);
  const { model } = header;
  const tensors = modelTensors(header);
  const sinks = options.sinks ?? header.kv.sinks;
  const window = options.window ?? header.kv.window;
  checkModel(header, platform, options.kernelLimits);
  checkWindow(sinks, window, options.kernelLimits);

  const kv = kvLayout(model, sinks, window, platform.kvChannels);
  const tableBeats = beatsOf(sectionBytes(header, "table"));
  const distances = header.kv.centered
    ? { offset: tableBeats, rowBeats: beatsOf(model.headDim * 2), rows: sinks + window }
    : undefined;

  const inputStride = tokenRecordBeats(model.headDim);
  const jobBeats = inputStride * limits.blockTokens + 1 + statusBeats;
  const placeAt = (start: number): JobPlace => {
    const jobOffset = start + inputStride * limits.blockTokens;
    return { inputOffset: start, jobOffset, statusOffset: jobOffset + 1 };
  };
  const logitsOffset = jobBeats;
  const logitsRowBeats = beatsOf(model.vocabSize * 4);
  const dumpOffset = logitsOffset + logitsRowBeats * limits.blockTokens;
  const forward = forwardPass(header, tensors, {
    kv,
    sinks,
    window,
    distanceOffset: distances?.offset ?? 0,
    distanceBeats: distances?.rowBeats ?? 0,
    logitsOffset,
    logitsRowBeats,
    dumpOffset: options.trace ? dumpOffset : undefined,
  });
  const hiddenOffset = forward.ioEnd;
  const hiddenRowBeats = beatsOf(model.hiddenSize * 4);
  const hidden = hiddenPass(forward, {
    length: model.hiddenSize,
    ioOffset: hiddenOffset,
    rowBeats: hiddenRowBeats,
  });
  const commandOffset = hiddenOffset + hiddenRowBeats * limits.blockTokens;
  const commandCount = forward.descriptors.length;
  const hiddenCommandOffset = commandOffset + beatsOf(commandCount * descriptorBytes);
  const queueOffset = hiddenCommandOffset + beatsOf(hidden.length * descriptorBytes);
  const io: IoPlan = {
    ...placeAt(0),
    inputStride,
    logitsOffset,
    logitsRowBeats,
    dumpOffset,
    dumpBeats: forward.ioEnd - dumpOffset,
    hiddenOffset,
    hiddenRowBeats,
    commandOffset,
    commandCount,
    hiddenCommandOffset,
    hiddenCommandCount: hidden.length,
    queue: Array.from({ length: queueLength }, (_, i) => placeAt(queueOffset + i * jobBeats)),
    beats: queueOffset + queueLength * jobBeats,
  };

  const bytesOf = (argument: string): number => {
    if (argument === "io") return io.beats * beatBytes;
    if (argument === "table") {
      return (tableBeats + (distances === undefined ? 0 : distances.rows * distances.rowBeats)) * beatBytes;
    }
    if (argument.startsWith("kv")) return model.layers * kv.layerBeats * beatBytes;
    return beatsOf(sectionBytes(header, argument)) * beatBytes;
  };
  const buffers = platform.kernelArguments.flatMap((argument) =>
    argument.kind === "scalar"
      ? []
      : [{ argument: argument.name, bytes: bytesOf(argument.name), bank: argument.bank }],
  );
  const plan = { platform, sinks, window, kv, buffers, distances, io, forward, hidden };
  checkBanks(plan, header);
  return plan;
}

function checkPlatform(header: ImageHeader, platform: Platform): void {
  const image = header.platform;
  if (image.weightChannels !== platform.weightChannels || image.kvChannels !== platform.kvChannels) {
    throw new InputError(
      "IMAGE_PLATFORM",
      `The image is for ${image.name} (${image.weightChannels} weight channels, ${image.kvChannels} KV channels); the device is ${platform.name} (${platform.weightChannels} and ${platform.kvChannels}).`,
      { hint: `Quantize the checkpoint for the platform ${platform.name}.` },
    );
  }
  if (header.abi !== kernelAbiVersion) {
    throw new InputError(
      "IMAGE_ABI",
      `The image is for version ${header.abi} of the kernel's interface; this program has version ${kernelAbiVersion}.`,
      { hint: "Quantize the checkpoint again with this program." },
    );
  }
}

/** The card's kernel is compiled for less than the format allows; told before anything is allocated or sent. */
function checkModel(header: ImageHeader, platform: Platform, most: Limits | undefined): void {
  const problem = modelLimitProblem(header.model, most);
  if (problem === undefined) return;
  throw new InputError("KERNEL_LIMITS", `The model ${problem} (the kernel for ${platform.name}).`, {
    hint: "The emulator takes it: --device emulator. The kernel's maxima are in quant/format/kernel-config.ts.",
  });
}

function checkWindow(sinks: number, window: number, most: Limits | undefined): void {
  const problem = windowProblem(sinks, window, most);
  if (problem === undefined) return;
  throw new UsageError("BAD_WINDOW", `The session cannot have ${problem}.`, {
    hint: "Choose other --sinks and --window.",
  });
}

function checkBanks({ platform, buffers, kv, sinks, window }: MemoryPlan, header: ImageHeader): void {
  const used = new Map<number, number>();
  for (const buffer of buffers) {
    const bank = platform.banks[buffer.bank]!;
    const total = (used.get(buffer.bank) ?? 0) + Math.ceil(buffer.bytes / pageBytes) * pageBytes;
    used.set(buffer.bank, total);
    if (total <= bank.bytes) continue;
    if (buffer.argument.startsWith("kv")) {
      const blockBytes = header.model.layers * kv.headsPerChannel * 2 * kv.blockBeats * beatBytes;
      const blocks = Math.floor((bank.bytes - pageBytes) / blockBytes);
      const most = blocks * kvBlockSlots - (limits.blockTokens - 1) - sinks;
      throw new UsageError(
        "WINDOW_TOO_LARGE",
        `The KV cache of ${sinks} sinks and a window of ${window} tokens takes ${buffer.bytes} bytes in each of ${platform.kvChannels} channels; ${bank.name} of ${platform.name} has ${bank.bytes}.`,
        {
          hint:
            most >= 1 ? `A window of up to ${most} tokens fits.` : "This model's cache fits no window there.",
        },
      );
    }
    throw new DeviceError(
      "MODEL_TOO_LARGE",
      `The model needs ${total} bytes in ${bank.name} of ${platform.name} (for ${buffer.argument}), which has ${bank.bytes}.`,
      { hint: "Use fewer bits per weight, a smaller model or a card with more memory." },
    );
  }
}

/** Weight channels' argument names, in order. */
export function weightArguments(platform: Platform): readonly string[] {
  return Array.from({ length: platform.weightChannels }, (_, c) => weightSection(c));
}
