import { ReferenceModel, type ReferenceSpec } from "../../quant/eval/reference/model.ts";
import { Random } from "../../quant/eval/reference/random.ts";
import { randomModel } from "../../quant/eval/reference/random-model.ts";
import type { Image } from "../../quant/format/image.ts";
import { readImageContents } from "../../quant/format/image-reference.ts";
import { limits } from "../../quant/format/limits.ts";
import { kernelName, type Platform } from "../../quant/format/platform.ts";
import type { Device } from "../device/device.ts";
import { compareSequence, type Script } from "./comparison.ts";
import { platformOfKernel } from "./device-memory.ts";
import type { ImageSource } from "./image-source.ts";
import { randomImage } from "./random-image.ts";
import { Session } from "./session.ts";
import { throwIfAborted } from "./upload.ts";

export interface VerifyReport {
  readonly cases: number;
  /** Cases of which at least one bit differs. */
  readonly mismatches: number;
  /** The first of them, with the first difference of each. */
  readonly failures: readonly { readonly case: string; readonly detail: string }[];
}

export interface VerifyOptions {
  /** With an xclbin loaded; stays open. */
  readonly device: Device;
  readonly signal?: AbortSignal | undefined;
  /** Called with cases done and in all. */
  readonly progress?: ((done: number, total: number) => void) | undefined;
}

export interface RandomOptions extends VerifyOptions {
  /** Number of models; default 200. */
  readonly count?: number | undefined;
  /** Seed of the first, the others follow; default 0. */
  readonly seed?: number | undefined;
}

/** Failures that a report describes. */
const describedFailures = 20;

interface Case {
  readonly name: string;
  readonly image: ImageSource;
  readonly spec: ReferenceSpec;
  readonly script: Script;
}

/**
 * Compares a device with the reference of docs/numerics.md on random small models: dimensions, formats, sinks,
 * windows and block sizes vary, and every sequence runs past its window.
 * @throws DeviceError, InterruptedError
 */
export async function verifyRandom(options: RandomOptions): Promise<VerifyReport> {
  const { count = 200, seed = 0 } = options;
  const platform = platformOf(options.device);
  return runCases(options, count, async (index) => randomCase(seed + index, platform));
}

/**
 * Compares a device with the reference on an image's own model: its window and two so narrow that the sequence
 * runs past them, and a start at a far position.
 * @throws InputError (image), DeviceError, InterruptedError
 */
export async function verifyImage(image: Image, options: VerifyOptions): Promise<VerifyReport> {
  const variants = [
    { sinks: image.header.kv.sinks, window: image.header.kv.window, start: 0, sizes: [1, 16, 5, 1, 1] },
    { sinks: 4, window: 12, start: 0, sizes: [16, 16, 7, 1, 1] },
    { sinks: 0, window: 5, start: 0, sizes: [3, 16, 1, 9, 1] },
    { sinks: 2, window: 20, start: 100_000, sizes: [1, 16, 16, 1] },
  ];
  return runCases(options, variants.length, async (index) => {
    const { sinks, window, start, sizes } = variants[index]!;
    const spec = await readImageContents(image, { sinks, window, ...pickSignal(options) });
    const blocks = randomBlocks(new Random(index), sizes, spec.config.vocabSize);
    const name = `image, ${sinks} sinks, window ${window}, from position ${start}`;
    return { name, image, spec, script: { start, blocks } };
  });
}

async function runCases(
  { device, signal, progress }: VerifyOptions,
  count: number,
  caseOf: (index: number) => Promise<Case>,
): Promise<VerifyReport> {
  const failures: { case: string; detail: string }[] = [];
  let mismatches = 0;
  progress?.(0, count);
  for (let index = 0; index < count; index++) {
    throwIfAborted(signal);
    const { name, image, spec, script } = await caseOf(index);
    const { sinks, window } = spec;
    const session = await Session.open({ device, image, sinks, window, trace: true, signal });
    try {
      const detail = await compareSequence(session, new ReferenceModel(spec), script, signal);
      if (detail !== undefined) {
        mismatches++;
        if (failures.length < describedFailures) failures.push({ case: name, detail });
      }
    } finally {
      await session.close();
    }
    progress?.(index + 1, count);
  }
  return { cases: count, mismatches, failures };
}

function randomCase(seed: number, platform: Platform): Case {
  const { weightChannels, kvChannels } = platform;
  const spec = randomModel(seed, { weightChannels, kvChannels });
  const random = new Random(seed);
  const { sinks, window, config } = spec;
  const length = sinks + window + random.between(2, 20);
  const sizes: number[] = [];
  for (let left = length; left > 0; left -= sizes.at(-1)!) {
    sizes.push(
      Math.min(left, random.pick([1, 1, 2, random.between(1, limits.blockTokens), limits.blockTokens])),
    );
  }
  const script = {
    start: random.chance(0.1) ? random.below(1_000_000) : 0,
    blocks: randomBlocks(random, sizes, config.vocabSize),
  };
  return { name: `random model ${seed}`, image: randomImage(spec, platform), spec, script };
}

function randomBlocks(random: Random, sizes: readonly number[], vocabulary: number): number[][] {
  return sizes.map((size) => Array.from({ length: size }, () => random.below(vocabulary)));
}

function platformOf(device: Device): Platform {
  const kernel = device.openKernel(kernelName);
  try {
    return platformOfKernel(kernel);
  } finally {
    kernel.close();
  }
}

function pickSignal({ signal }: VerifyOptions): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
