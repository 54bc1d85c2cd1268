import { beatBytes } from "../../quant/format/limits.ts";
import type { DeviceBuffer } from "../device/device.ts";
import { InterruptedError } from "../errors.ts";
import type { ImageSource } from "./image-source.ts";
import { sectionBytes } from "./model-tensors.ts";
import { type MemoryPlan, weightArguments } from "./plan.ts";
import { writeDistances } from "./tables.ts";

/** Called with bytes moved so far and in all. */
export type UploadProgress = (done: number, total: number) => void;

/** Sections on their way at the same time: reading is the work of other threads. */
const sectionsAtOnce = 3;

export interface UploadOptions {
  readonly signal?: AbortSignal | undefined;
  readonly progress?: UploadProgress | undefined;
}

/**
 * Reads the weight sections and the table straight into the mapped buffers, adds the distance table and sends
 * everything to the device.
 * @param buffers by kernel argument
 * @throws InputError from the image, DeviceError from the device, InterruptedError
 */
export async function uploadModel(
  image: ImageSource,
  plan: MemoryPlan,
  buffers: ReadonlyMap<string, DeviceBuffer>,
  frequencies: Float64Array,
  { signal, progress }: UploadOptions,
): Promise<void> {
  const names = [...weightArguments(plan.platform), "table"];
  const total = names.reduce((sum, name) => sum + buffers.get(name)!.bytes, 0);
  let done = 0;
  progress?.(done, total);
  const send = async (name: string): Promise<void> => {
    throwIfAborted(signal);
    const buffer = buffers.get(name)!;
    const target = buffer.map();
    const bytes = sectionBytes(image.header, name);
    await image.readSection(name, target.subarray(0, bytes), signal);
    throwIfAborted(signal);
    if (name === "table" && plan.distances !== undefined) {
      const start = plan.distances.offset * beatBytes;
      const length = plan.distances.rows * plan.distances.rowBeats * beatBytes;
      writeDistances(target.subarray(start, start + length), plan.distances, frequencies);
    }
    buffer.sync("toDevice");
    done += buffer.bytes;
    progress?.(done, total);
  };
  // One section is hashed or copied while others are read. After an error none is begun, and those under way are awaited:
  // they write into buffers that the caller will close.
  const waiting = names.values();
  let failed = false;
  const lane = async (): Promise<void> => {
    for (const name of waiting) {
      if (failed) return;
      try {
        await send(name);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: sectionsAtOnce }, lane));
  const rejected = lanes.find((result) => result.status === "rejected");
  if (rejected !== undefined) throw rejected.reason;
}

/** @throws InterruptedError when the signal has fired */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new InterruptedError("Interrupted.", { cause: signal.reason });
}
