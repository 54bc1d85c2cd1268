import type { PowerSensor } from "./power.ts";

/**
 * What the engine sees of an accelerator: one device, one kernel, buffers and runs. XRT on a card, XRT in noop
 * mode and the emulator all stand behind it. Everything that is opened is closed in the order run, buffer,
 * kernel, device, on every path, because XRT's destructors crash on handles left open.
 */

/** Which way a buffer's bytes travel in {@link DeviceBuffer.sync}. */
export type SyncDirection = "toDevice" | "fromDevice";

/** A piece of an open file that begins on a page. */
export interface FileRange {
  readonly descriptor: number;
  readonly offset: number;
  readonly bytes: number;
}

/** Memory of the host that a buffer is to have as its host side: it begins on a page. */
export interface HostMemory {
  readonly memory: Uint8Array;
  /** Frees it; the buffer does so when it closes. */
  close(): void;
}

/** A buffer in one memory bank. Host and device memory are separate: nothing moves without `sync`. */
export interface DeviceBuffer {
  /** Size in bytes. */
  readonly bytes: number;
  /** Address in the device's memory. */
  readonly address: bigint;
  /** The host side of the buffer, zero copy; valid until `close`. */
  map(): Uint8Array;
  /** Copies `bytes` (default: to the end) from `offset` (default 0) between host and device side. */
  sync(direction: SyncDirection, bytes?: number, offset?: number): void;
  /**
   * Where the device is this computer's memory: its side of the buffer becomes a file's own pages, from the buffer's
   * start on, without a copy. The file may be closed afterwards, but not cut off.
   * @returns how many of the bytes that are, in whole pages; 0 where the device has to be sent them
   */
  takeFile?(file: FileRange): number;
  /** The same towards the device on another thread, for many bytes; the host side must not change meanwhile. */
  send(bytes: number, offset: number): Promise<void>;
  close(): void;
}

/** Value of one kernel argument: a buffer for a pointer, a number for a 32-bit scalar. */
export type KernelArgument = DeviceBuffer | number;

/** Values of a kernel's arguments by name; frozen ones are set and checked once for all runs. */
export type KernelArguments = Readonly<Record<string, KernelArgument>>;

/** An AbortSignal, or anything else that is asked now and then whether to go on. */
export type Cancellation = Pick<AbortSignal, "aborted" | "reason">;

export interface RunOptions {
  /** Milliseconds until the run counts as hung; default 60,000. */
  readonly timeoutMs?: number | undefined;
  /** Aborts the run: rejects with InterruptedError, the device stays usable or is closed. */
  readonly signal?: Cancellation | undefined;
  /**
   * A run that was started before: this one is started behind it at once, but waited for, and its time counted, only
   * when that one has ended.
   */
  readonly after?: Promise<unknown> | undefined;
}

export interface Kernel {
  readonly name: string;
  /** Argument names in order of their index, from the xclbin. */
  readonly arguments: readonly string[];
  /**
   * Allocates in the bank that the named argument is connected to; throws DeviceError when it does not fit.
   * @param host memory of `bytes` bytes that becomes the buffer's own; default zeroed memory
   */
  allocate(argument: string, bytes: number, host?: HostMemory): DeviceBuffer;
  /**
   * Starts the kernel with the named arguments and resolves when it has completed. The event loop stays free.
   * @throws DeviceError (argument missing or of the wrong kind, timed out, aborted, error state),
   *   InterruptedError when the signal fires.
   */
  run(args: KernelArguments, options?: RunOptions): Promise<void>;
  close(): void;
}

export interface Device {
  /** For people: "emulator (fast)", "xilinx_u280_gen3x16_xdma_base_1". */
  readonly name: string;
  /** The emulator: its kernel takes all that the format allows, a card's what it was compiled for. */
  readonly emulated: boolean;
  /** UUID of the loaded xclbin, lower-case hex with dashes; undefined before `load`. */
  readonly uuid: string | undefined;
  /** Absent where there is no card. */
  readonly power?: PowerSensor | undefined;
  /** Loads an xclbin file. */
  load(xclbinPath: string): void;
  openKernel(name: string): Kernel;
  /** Closes whatever is still open on the device, in order, then the device. Safe to call twice. */
  close(): void;
}
