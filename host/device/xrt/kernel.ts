import { DeviceError, UsageError } from "../../errors.ts";
import type { HostMemory, Kernel, KernelArgument, KernelArguments, RunOptions } from "../device.ts";
import type { KernelArgumentMetadata, KernelMetadata, Memory } from "../xclbin/index.ts";
import type { Handle } from "./binding.ts";
import { XrtBuffer } from "./buffer.ts";
import type { XrtDevice } from "./device.ts";
import { deviceFailed } from "./failure.ts";
import { execute, type ReadyRun, type RunKernel } from "./run.ts";

/**
 * A run object and the arguments that it has. Frozen ones are kept: to set each of them, or just to look at each of
 * their buffers, costs more than the rest of a start.
 */
interface OpenRun extends ReadyRun {
  buffers: readonly XrtBuffer[];
  /** With the device's number of freed buffers at that time. */
  kept: { readonly args: KernelArguments; readonly freed: number } | undefined;
}

export class XrtKernel implements Kernel, RunKernel {
  readonly name: string;
  readonly arguments: readonly string[];
  readonly device: XrtDevice;
  readonly #arguments: ReadonlyMap<string, { index: number; metadata: KernelArgumentMetadata }>;
  readonly #groups: readonly Memory[];
  #handle: Handle | undefined;
  /** Run objects that are not in use; they keep the arguments that they have. */
  readonly #idle: OpenRun[] = [];
  readonly #running = new Set<OpenRun>();

  /** @throws DeviceError KERNEL_NOT_OPENED. */
  constructor(device: XrtDevice, metadata: KernelMetadata, uuid: Uint8Array, groups: readonly Memory[]) {
    this.device = device;
    this.name = metadata.name;
    this.arguments = metadata.arguments.map((argument) => argument.name);
    this.#arguments = new Map(
      metadata.arguments.map((argument, index) => [argument.name, { index, metadata: argument }]),
    );
    this.#groups = groups;
    const handle = device.library.xrt.xrtPLKernelOpen(device.handle, uuid, metadata.name);
    if (handle === null) {
      throw deviceFailed(device, "KERNEL_NOT_OPENED", `Kernel ${metadata.name} could not be opened`, {
        hint: "Another process may hold the card; `accllm devices` shows what is loaded.",
      });
    }
    this.#handle = handle;
  }

  get handle(): Handle {
    if (this.#handle === undefined) throw new DeviceError("KERNEL_CLOSED", `Kernel ${this.name} is closed.`);
    return this.#handle;
  }

  /** Whether a run of this kernel is under way. */
  get busy(): boolean {
    return this.#running.size > 0;
  }

  /** Whether a run that is under way has this buffer as an argument. */
  runsWith(buffer: XrtBuffer): boolean {
    return [...this.#running].some(({ buffers }) => buffers.includes(buffer));
  }

  #argument(name: string): { index: number; metadata: KernelArgumentMetadata } {
    const argument = this.#arguments.get(name);
    if (argument === undefined) {
      throw new DeviceError("ARGUMENT_UNKNOWN", `Kernel ${this.name} has no argument '${name}'.`, {
        hint: `Its arguments are ${this.arguments.join(", ")}; the xclbin may belong to another version.`,
      });
    }
    return argument;
  }

  /** @throws DeviceError ARGUMENT_UNKNOWN, BANK_NOT_CONNECTED, BUFFER_TOO_LARGE, OUT_OF_DEVICE_MEMORY. */
  allocate(argument: string, bytes: number, host?: HostMemory): XrtBuffer {
    if (!Number.isSafeInteger(bytes) || bytes <= 0) {
      throw new UsageError("BUFFER_SIZE", `A buffer of ${bytes} bytes cannot be allocated.`);
    }
    if (host !== undefined && host.memory.length !== bytes) {
      throw new UsageError(
        "BUFFER_SIZE",
        `A buffer of ${bytes} bytes cannot have ${host.memory.length} bytes of host memory.`,
      );
    }
    const { index } = this.#argument(argument);
    const { library } = this.device;
    const group = library.xrt.xrtKernelArgGroupId(this.handle, index);
    const bank = this.#groups[group];
    if (group < 0 || bank === undefined) {
      throw deviceFailed(
        this.device,
        "BANK_NOT_CONNECTED",
        `Argument ${argument} of kernel ${this.name} is not connected to a memory bank`,
      );
    }
    if (BigInt(bytes) > bank.bytes) {
      throw new DeviceError(
        "BUFFER_TOO_LARGE",
        `A buffer of ${bytes} bytes for kernel argument ${argument} does not fit into bank ${bank.tag}, ` +
          `which has ${bank.bytes} bytes.`,
        { hint: "Use a smaller model, fewer bits per weight or a shorter context." },
      );
    }
    const buffer = new XrtBuffer(this.device, argument, bytes, { group, name: bank.tag }, host);
    this.device.remember(buffer);
    return buffer;
  }

  #setArgument(run: Handle, name: string, value: KernelArgument | undefined): void {
    const { index, metadata } = this.#argument(name);
    const fits = metadata.kind === "memory" ? value instanceof XrtBuffer : typeof value === "number";
    if (!fits || value === undefined) {
      const wanted = metadata.kind === "memory" ? "a buffer of this device" : "a number";
      throw new DeviceError(
        "ARGUMENT_WRONG",
        `Argument ${name} of kernel ${this.name} takes ${wanted}, and ${value === undefined ? "is missing" : "got something else"}.`,
      );
    }
    const { xrt } = this.device.library;
    let result: number;
    if (value instanceof XrtBuffer) {
      if (value.device !== this.device) {
        throw new DeviceError("ARGUMENT_WRONG", `The buffer for argument ${name} belongs to another device.`);
      }
      result = xrt.xrtRunSetArg(run, index, "void *", value.handle);
    } else {
      result = xrt.xrtRunSetArg(run, index, "uint32_t", Number(value) >>> 0);
    }
    if (result !== 0) {
      throw deviceFailed(
        this.device,
        "ARGUMENT_NOT_SET",
        `Argument ${name} of kernel ${this.name} could not be set`,
        { hint: "Allocate the buffer with Kernel.allocate for this very argument." },
      );
    }
  }

  #openRun(): OpenRun {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    const handle = this.device.library.xrt.xrtRunOpen(this.handle);
    if (handle === null) {
      throw deviceFailed(this.device, "RUN_NOT_OPENED", `A run of kernel ${this.name} could not be opened`);
    }
    return { handle, lastMs: undefined, buffers: [], kept: undefined };
  }

  /** Sets all arguments, unless the run has these already. */
  #setArguments(run: OpenRun, args: KernelArguments): void {
    const freed = this.device.freedBuffers;
    if (run.kept?.args === args && run.kept.freed === freed) return;
    run.kept = undefined;
    run.buffers = [];
    for (const name of Object.keys(args)) this.#argument(name);
    for (const name of this.arguments) this.#setArgument(run.handle, name, args[name]);
    run.buffers = Object.values(args).filter((value) => value instanceof XrtBuffer);
    if (Object.isFrozen(args)) run.kept = { args, freed };
  }

  run(args: KernelArguments, options: RunOptions = {}): Promise<void> {
    return execute(this, args, options);
  }

  begin(args: KernelArguments): OpenRun {
    void this.handle;
    const run = this.#openRun();
    this.#running.add(run);
    try {
      this.#setArguments(run, args);
    } catch (error) {
      this.end(run, false);
      throw error;
    }
    return run;
  }

  end(run: OpenRun, reusable: boolean): void {
    // Closing the device has closed the run already.
    if (!this.#running.delete(run)) return;
    if (reusable) this.#idle.push(run);
    else this.device.library.xrt.xrtRunClose(run.handle);
  }

  /** @throws DeviceError KERNEL_IN_USE while it runs. */
  close(): void {
    if (this.busy) throw new DeviceError("KERNEL_IN_USE", `Kernel ${this.name} is running.`);
    this.release();
  }

  /** Closes runs and kernel whatever goes on; for the device's own close. */
  closeRuns(): void {
    const { xrt, emulator } = this.device.library;
    for (const { handle } of this.#running) emulator?.accllmEmuRunAbort(handle);
    for (const { handle } of [...this.#running, ...this.#idle]) xrt.xrtRunClose(handle);
    this.#running.clear();
    this.#idle.length = 0;
  }

  release(): void {
    if (this.#handle === undefined) return;
    this.closeRuns();
    const handle = this.#handle;
    this.#handle = undefined;
    this.device.forget(this);
    this.device.library.xrt.xrtKernelClose(handle);
  }
}
