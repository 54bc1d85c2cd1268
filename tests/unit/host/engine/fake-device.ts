import type {
  Device,
  DeviceBuffer,
  HostMemory,
  Kernel,
  KernelArgument,
  RunOptions,
} from "../../../../host/device/device.ts";
import { DeviceError } from "../../../../host/errors.ts";
import { type Platform, platforms } from "../../../../quant/format/platform.ts";

class FakeBuffer implements DeviceBuffer {
  readonly bytes: number;
  readonly address = 0n;
  readonly host: Uint8Array;
  readonly device: Uint8Array;
  readonly onClose: () => void;
  closed = 0;

  readonly hostMemory: HostMemory | undefined;

  constructor(bytes: number, hostMemory: HostMemory | undefined, onClose: () => void) {
    this.bytes = bytes;
    this.hostMemory = hostMemory;
    this.host = hostMemory?.memory ?? new Uint8Array(bytes);
    this.device = new Uint8Array(bytes);
    this.onClose = onClose;
  }

  map(): Uint8Array {
    if (this.closed) throw new Error("map of a closed buffer");
    return this.host;
  }

  sync(direction: "toDevice" | "fromDevice", bytes?: number, offset = 0): void {
    const end = offset + (bytes ?? this.bytes - offset);
    if (this.closed || end > this.bytes) throw new Error(`bad sync of ${bytes} from ${offset}`);
    const [from, to] = direction === "toDevice" ? [this.host, this.device] : [this.device, this.host];
    to.set(from.subarray(offset, end), offset);
  }

  async send(bytes: number, offset: number): Promise<void> {
    this.sync("toDevice", bytes, offset);
  }

  close(): void {
    this.closed++;
    this.hostMemory?.close();
    this.onClose();
  }
}

export interface FakeRun {
  readonly memory: Readonly<Record<string, Uint8Array>>;
  readonly job: number;
  readonly options: RunOptions;
}

/** A device in memory: host and device sides of a buffer apart, the kernel a function. Logs what is closed. */
export class FakeDevice implements Device {
  emulated = true;
  readonly name = "fake (model)";
  readonly uuid = undefined;
  readonly log: string[] = [];
  readonly buffers = new Map<string, FakeBuffer>();
  readonly platform: Platform;
  execute: (run: FakeRun) => Promise<void> | void;
  /** Runs that were ever started. */
  started = 0;
  /** Argument whose allocation fails. */
  failAllocation: string | undefined;
  argumentNames: readonly string[];

  constructor(execute: (run: FakeRun) => Promise<void> | void = () => undefined, platform = platforms.tiny!) {
    this.execute = execute;
    this.platform = platform;
    this.argumentNames = platform.kernelArguments.map((argument) => argument.name);
  }

  load(): void {}

  openKernel(name: string): Kernel {
    this.log.push(`open ${name}`);
    return {
      name,
      arguments: this.argumentNames,
      allocate: (argument, bytes, hostMemory) => {
        if (argument === this.failAllocation) throw new DeviceError("BUFFER_ALLOCATION", "no memory");
        const buffer = new FakeBuffer(bytes, hostMemory, () => this.log.push(`close ${argument}`));
        this.buffers.set(argument, buffer);
        return buffer;
      },
      run: async (args, options = {}) => {
        this.started++;
        if (options.after !== undefined) await options.after.catch(() => {});
        await this.execute({ ...this.#memory(args), options });
      },
      close: () => this.log.push("close kernel"),
    };
  }

  close(): void {
    this.log.push("close device");
  }

  #memory(args: Readonly<Record<string, KernelArgument>>): Pick<FakeRun, "memory" | "job"> {
    const given = Object.keys(args).sort().join();
    if (given !== [...this.argumentNames].sort().join()) throw new Error(`wrong arguments: ${given}`);
    const memory: Record<string, Uint8Array> = {};
    for (const [name, value] of Object.entries(args)) {
      if (typeof value !== "number") memory[name] = (value as FakeBuffer).device;
    }
    return { memory, job: args.job as number };
  }
}
