import { beatBytes } from "../../quant/format/limits.ts";
import type { Cancellation, DeviceBuffer, HostMemory } from "../device/device.ts";
import { sha256 } from "../device/digest.ts";
import { FileMapping } from "../device/file-mapping.ts";
import { InterruptedError } from "../errors.ts";
import type { ImageSource, SectionInFile } from "./image-source.ts";
import { sectionBytes } from "./model-tensors.ts";
import { type MemoryPlan, weightArguments } from "./plan.ts";
import { writeDistances } from "./tables.ts";

/** Called with bytes moved so far and in all. */
export type UploadProgress = (done: number, total: number) => void;

/** Sections on their way at the same time: enough for the pool's threads to go on while the event loop is busy. */
const sectionsAtOnce = 16;
/** Bytes copied to the device by one call: how long an interruption waits. */
const pieceBytes = 32 * 1024 * 1024;

export interface UploadOptions {
  readonly signal?: AbortSignal | undefined;
  readonly progress?: UploadProgress | undefined;
}

/**
 * The way of a model's weight sections and table to the device, with the distance table behind the latter. Sections of
 * an image file are mapped as the host side of their buffers, and hashed while they are copied to the device: that is
 * the only copy. Other sections are read into the buffers.
 */
export class ModelUpload {
  readonly #image: ImageSource;
  readonly #plan: MemoryPlan;
  readonly #names: readonly string[];
  readonly #mapped = new Map<string, SectionInFile>();

  constructor(image: ImageSource, plan: MemoryPlan) {
    this.#image = image;
    this.#plan = plan;
    this.#names = [...weightArguments(plan.platform), "table"];
  }

  /**
   * The host side of a buffer that is about to be allocated; undefined for zeroed memory.
   * @throws InputError from the image, DeviceError HOST_MEMORY
   */
  hostMemory(argument: string, bytes: number): HostMemory | undefined {
    const section = this.#names.includes(argument) ? this.#image.sectionInFile?.(argument) : undefined;
    const mapping = section === undefined ? undefined : FileMapping.of(section, bytes);
    if (section !== undefined && mapping !== undefined) this.#mapped.set(argument, section);
    return mapping;
  }

  /**
   * Sends everything.
   * @param buffers by kernel argument, allocated on what hostMemory gave
   * @param frequencies radians per position, headDim/2 of them
   * @throws InputError from the image, DeviceError from the device, InterruptedError
   */
  async send(
    buffers: ReadonlyMap<string, DeviceBuffer>,
    frequencies: Float64Array,
    { signal, progress }: UploadOptions,
  ): Promise<void> {
    const total = this.#names.reduce((sum, name) => sum + buffers.get(name)!.bytes, 0);
    let done = 0;
    progress?.(done, total);
    const count = (bytes: number) => {
      done += bytes;
      progress?.(done, total);
    };
    // After an error no section is begun, and those under way are awaited: the caller will close their buffers.
    const waiting = this.#names.values();
    let failed = false;
    const lane = async (): Promise<void> => {
      for (const name of waiting) {
        if (failed) return;
        try {
          await this.#sendSection(name, buffers.get(name)!, frequencies, { signal, count });
        } catch (error) {
          failed = true;
          throw error;
        }
      }
    };
    await allSettled(Array.from({ length: sectionsAtOnce }, lane));
  }

  async #sendSection(
    name: string,
    buffer: DeviceBuffer,
    frequencies: Float64Array,
    { signal, count }: { signal: AbortSignal | undefined; count: (bytes: number) => void },
  ): Promise<void> {
    throwIfAborted(signal);
    const target = buffer.map();
    const section = target.subarray(0, sectionBytes(this.#image.header, name));
    const file = this.#mapped.get(name);
    if (file === undefined) await this.#image.readSection(name, section, signal);
    const { distances } = this.#plan;
    if (name === "table" && distances !== undefined) {
      const start = distances.offset * beatBytes;
      const end = start + distances.rows * distances.rowBeats * beatBytes;
      writeDistances(target.subarray(start, end), distances, frequencies);
    }
    // The table is read for every token: it is copied, so that the file is not needed once the weights are re-laid.
    const taken = file === undefined || name === "table" ? 0 : (buffer.takeFile?.(file) ?? 0);
    const copy = async () => {
      count(taken);
      for (let offset = taken; offset < buffer.bytes; offset += pieceBytes) {
        throwIfAborted(signal);
        const bytes = Math.min(pieceBytes, buffer.bytes - offset);
        await buffer.send(bytes, offset);
        count(bytes);
      }
    };
    const check = async () => file?.requireDigest(await sha256(section));
    await allSettled([check(), copy()]);
  }
}

/** Waits for all of them, then throws the first one's error, if any has one. */
async function allSettled(work: readonly Promise<unknown>[]): Promise<void> {
  const rejected = (await Promise.allSettled(work)).find((result) => result.status === "rejected");
  if (rejected !== undefined) throw rejected.reason;
}

/** @throws InterruptedError when the signal has fired */
export function throwIfAborted(signal: Cancellation | undefined): void {
  if (signal?.aborted) throw new InterruptedError("Interrupted.", { cause: signal.reason });
}
