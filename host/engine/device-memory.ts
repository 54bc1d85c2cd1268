import { kernelName, type Platform, platforms } from "../../quant/format/platform.ts";
import type { Device, DeviceBuffer, HostMemory, Kernel } from "../device/device.ts";
import { DeviceError } from "../errors.ts";
import type { MemoryPlan } from "./plan.ts";

/**
 * The platform whose kernel has exactly these arguments.
 * @throws DeviceError when there is none
 */
export function platformOfKernel(kernel: Kernel): Platform {
  const given = kernel.arguments.join(" ");
  const found = Object.values(platforms).find(
    (platform) => platform.kernelArguments.map((argument) => argument.name).join(" ") === given,
  );
  if (found !== undefined) return found;
  throw new DeviceError(
    "UNKNOWN_KERNEL",
    `The kernel ${kernel.name} has ${kernel.arguments.length} arguments (${given}), which is no platform that this program knows.`,
    { hint: `Load a bitstream built for ${Object.keys(platforms).join(", ")}.` },
  );
}

/** The kernel and its buffers on one device, closed together: buffers first, then the kernel. */
export class DeviceMemory {
  readonly kernel: Kernel;
  readonly #buffers = new Map<string, DeviceBuffer>();
  readonly #maps = new Map<string, Uint8Array>();
  #closed = false;

  /** @throws DeviceError when the loaded xclbin has no kernel accllm */
  constructor(device: Device) {
    this.kernel = device.openKernel(kernelName);
  }

  get buffers(): ReadonlyMap<string, DeviceBuffer> {
    return this.#buffers;
  }

  /**
   * Allocates what a plan lists; on an error the caller closes.
   * @param hostMemory a buffer's host side; undefined for zeroed memory
   */
  allocate(plan: MemoryPlan, hostMemory: (argument: string, bytes: number) => HostMemory | undefined): void {
    for (const { argument, bytes } of plan.buffers) {
      const host = hostMemory(argument, bytes);
      try {
        this.#buffers.set(argument, this.kernel.allocate(argument, bytes, host));
      } catch (error) {
        host?.close();
        throw error;
      }
    }
  }

  buffer(argument: string): DeviceBuffer {
    return this.#buffers.get(argument)!;
  }

  /** Host side of a buffer; valid until close. */
  map(argument: string): Uint8Array {
    const known = this.#maps.get(argument);
    if (known !== undefined) return known;
    const map = this.buffer(argument).map();
    this.#maps.set(argument, map);
    return map;
  }

  /** Frees everything, also after an error half way; the first error is thrown when all is done. Safe twice. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#maps.clear();
    const errors: unknown[] = [];
    for (const resource of [...[...this.#buffers.values()].reverse(), this.kernel]) {
      try {
        resource.close();
      } catch (error) {
        errors.push(error);
      }
    }
    this.#buffers.clear();
    if (errors.length > 0) throw errors[0];
  }
}
