import { constants } from "node:buffer";
import { DeviceError, UsageError } from "../../errors.ts";
import type { DeviceBuffer, FileRange, HostMemory, SyncDirection } from "../device.ts";
import { addressOf, type Handle, syncDirections } from "./binding.ts";
import type { XrtDevice } from "./device.ts";
import { allocationFailed, deviceFailed } from "./failure.ts";

const pageBytes = 4096;
/** Offset of a sync, in bytes: the width of a memory channel. */
export const syncAlignment = 64;

/**
 * `bytes` of zeroed memory that starts on a page.
 * @throws DeviceError HOST_MEMORY.
 */
function pageAligned(bytes: number): HostMemory {
  let memory: Uint8Array;
  try {
    memory = new Uint8Array(bytes + pageBytes);
  } catch (cause) {
    throw new DeviceError("HOST_MEMORY", `There is no host memory for a buffer of ${bytes} bytes.`, {
      hint: `One buffer has at most ${constants.MAX_LENGTH - pageBytes} bytes in this Node.js.`,
      cause,
    });
  }
  const skip = Number(-addressOf(memory) & BigInt(pageBytes - 1));
  return { memory: memory.subarray(skip, skip + bytes), close: () => undefined };
}

/**
 * A buffer object on host memory of our own (xrtBOAllocUserPtr; XRT's own normal buffers are made the same way).
 * So the view that `map` returns stays safe to touch after `close`, where a mapping of XRT's would dangle, and a mapped
 * file is sent to the device without a copy in between.
 */
export class XrtBuffer implements DeviceBuffer {
  readonly bytes: number;
  readonly address: bigint;
  /** The kernel argument it was allocated for, for messages. */
  readonly argument: string;
  readonly device: XrtDevice;
  readonly #host: HostMemory;
  #handle: Handle | undefined;
  /** Copies to the device that are under way on other threads. */
  #sending = 0;

  /**
   * @param host the buffer's own once it is made; not after an error
   * @throws DeviceError OUT_OF_DEVICE_MEMORY, BUFFER_NOT_ALLOCATED, DEVICE_LOST, HOST_MEMORY.
   */
  constructor(
    device: XrtDevice,
    argument: string,
    bytes: number,
    bank: { readonly group: number; readonly name: string },
    host: HostMemory = pageAligned(bytes),
  ) {
    this.device = device;
    this.argument = argument;
    this.bytes = bytes;
    this.#host = host;
    const { library } = device;
    const address = addressOf(host.memory);
    const handle = library.xrt.xrtBOAllocUserPtr(device.handle, address, bytes, 0, bank.group);
    if (handle === null) {
      throw allocationFailed(
        device,
        `Device memory is out: a buffer of ${bytes} bytes for kernel argument ${argument} found no place in bank ${bank.name}`,
      );
    }
    this.#handle = handle;
    this.address = BigInt(library.xrt.xrtBOAddress(handle));
  }

  /** @throws DeviceError BUFFER_CLOSED, DEVICE_CLOSED. */
  get handle(): Handle {
    if (this.#handle === undefined) {
      throw new DeviceError("BUFFER_CLOSED", `The buffer for kernel argument ${this.argument} is closed.`);
    }
    return this.#handle;
  }

  get open(): boolean {
    return this.#handle !== undefined;
  }

  map(): Uint8Array {
    void this.handle;
    return this.#host.memory;
  }

  /** Whether a copy to the device is under way. */
  get sending(): boolean {
    return this.#sending > 0;
  }

  takeFile({ descriptor, offset, bytes }: FileRange): number {
    const { handle } = this;
    const whole = bytes - (bytes % pageBytes);
    const { emulator } = this.device.library;
    if (emulator === undefined || whole === 0) return 0;
    return emulator.accllmEmuTakeFile(handle, descriptor, offset, whole) === 0 ? whole : 0;
  }

  async send(bytes: number, offset: number): Promise<void> {
    const { handle } = this;
    this.#requireRange(bytes, offset);
    const { xrt } = this.device.library;
    this.#sending++;
    let result: number;
    try {
      result = await new Promise<number>((resolve, reject) => {
        xrt.xrtBOSync.async(handle, syncDirections.toDevice, bytes, offset, (error, value) =>
          error ? reject(error) : resolve(value),
        );
      });
    } finally {
      this.#sending--;
    }
    // What the library says of a failure stays on the thread that made the call: asked again, it says it here.
    if (result !== 0) this.sync("toDevice", bytes, offset);
  }

  #requireRange(length: number, offset: number): void {
    const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(length);
    if (!whole || offset < 0 || length < 0 || offset + length > this.bytes || offset % syncAlignment !== 0) {
      throw new UsageError(
        "SYNC_OUT_OF_RANGE",
        `A sync of ${length} bytes at offset ${offset} does not fit the buffer for kernel argument ` +
          `${this.argument}: it has ${this.bytes} bytes, and offsets are multiples of ${syncAlignment}.`,
      );
    }
  }

  sync(direction: SyncDirection, bytes?: number, offset = 0): void {
    const { handle } = this;
    const length = bytes ?? this.bytes - offset;
    this.#requireRange(length, offset);
    const { library } = this.device;
    if (library.xrt.xrtBOSync(handle, syncDirections[direction], length, offset) !== 0) {
      throw deviceFailed(
        this.device,
        "SYNC_FAILED",
        `${length} bytes at offset ${offset} of the buffer for ${this.argument} could not be copied ` +
          `${direction === "toDevice" ? "to" : "from"} the device`,
      );
    }
  }

  /** @throws DeviceError BUFFER_IN_USE while a run uses it. */
  close(): void {
    if (this.#handle === undefined) return;
    const running = this.device.runsWith(this);
    if (running || this.sending) {
      throw new DeviceError(
        "BUFFER_IN_USE",
        `The buffer for ${this.argument} is in use by ${running ? "a running kernel" : "a copy to the device"}.`,
      );
    }
    this.release();
  }

  /** Frees the buffer whatever uses it; for the device's own close. */
  release(): void {
    if (this.#handle === undefined) return;
    const handle = this.#handle;
    this.#handle = undefined;
    this.device.forget(this);
    this.device.library.xrt.xrtBOFree(handle);
    // A copy that the process's end overtakes still reads it.
    if (!this.sending) this.#host.close();
  }
}
