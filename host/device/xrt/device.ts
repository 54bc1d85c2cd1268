import { DeviceError } from "../../errors.ts";
import type { Card } from "../cards.ts";
import type { Device } from "../device.ts";
import { type Machine, thisMachine } from "../machine.ts";
import { cardPower, type PowerSensor } from "../power.ts";
import type { DeviceAddress } from "../specification.ts";
import { readXclbinFile, uuidText, type Xclbin } from "../xclbin/index.ts";
import type { Handle } from "./binding.ts";
import { XrtBuffer } from "./buffer.ts";
import { cardGone, uncorrectableErrors } from "./card-state.ts";
import { requireLoadable } from "./compatibility.ts";
import { callFailure, deviceFailed } from "./failure.ts";
import { XrtKernel } from "./kernel.ts";
import type { XrtLibrary } from "./library.ts";
import { loadFailed } from "./load-failure.ts";
import { registerDevice, unregisterDevice } from "./open-devices.ts";
import { longestSliceMs } from "./run.ts";

/** A device behind XRT's C API, whichever library implements it. */
export class XrtDevice implements Device {
  readonly library: XrtLibrary;
  get emulated(): boolean {
    return this.library.emulator !== undefined;
  }

  /** The card on the bus; undefined for the emulator and XRT's emulation modes. */
  readonly card: Card | undefined;
  readonly power: PowerSensor | undefined;
  #name: string;
  #handle: Handle | undefined;
  #xclbin: Xclbin | undefined;
  #eccErrors: number;
  readonly #kernels = new Set<XrtKernel>();
  readonly #buffers = new Set<XrtBuffer>();
  #freed = 0;

  /** @throws DeviceError DEVICE_NOT_OPENED. */
  constructor(
    library: XrtLibrary,
    address: DeviceAddress,
    name: string,
    card?: Card,
    machine: Machine = thisMachine,
  ) {
    this.library = library;
    this.card = card;
    this.power = card === undefined ? undefined : cardPower(card, machine);
    this.#name = name;
    const handle =
      "bdf" in address
        ? library.xrt.xrtDeviceOpenByBDF(address.bdf)
        : library.xrt.xrtDeviceOpen(address.index);
    if (handle === null) {
      const { reasons } = callFailure(library);
      throw new DeviceError("DEVICE_NOT_OPENED", `The device ${name} could not be opened${reasons}.`, {
        hint: "`accllm devices` lists what there is, `accllm doctor` says what is missing.",
      });
    }
    this.#handle = handle;
    this.#eccErrors = this.#countEccErrors();
    registerDevice(this);
  }

  get name(): string {
    return this.#name;
  }

  get closed(): boolean {
    return this.#handle === undefined;
  }

  /** Whether the card has left the PCIe bus. */
  get gone(): boolean {
    return this.card !== undefined && cardGone(this.card);
  }

  /** Whether the device still answers a question that costs it nothing. */
  answers(): boolean {
    if (this.#handle === undefined || this.gone) return false;
    return this.library.xrt.xrtDeviceGetXclbinUUID(this.#handle, new Uint8Array(16)) === 0;
  }

  /** Memory errors that ECC could not correct, since this was last asked or the device was opened. */
  newEccErrors(): number {
    const before = this.#eccErrors;
    this.#eccErrors = this.#countEccErrors();
    return this.#eccErrors - before;
  }

  /** The same since the driver was loaded. */
  #countEccErrors(): number {
    const { emulator } = this.library;
    if (emulator !== undefined) return Number(emulator.accllmEmuEccErrors(this.handle));
    return this.card === undefined ? 0 : uncorrectableErrors(this.card);
  }

  get uuid(): string | undefined {
    return this.#xclbin?.uuid;
  }

  /** @throws DeviceError DEVICE_CLOSED. */
  get handle(): Handle {
    if (this.#handle === undefined) {
      throw new DeviceError("DEVICE_CLOSED", `The device ${this.name} is closed.`, {
        hint: "It is closed after a run that hangs and cannot be aborted; open it again.",
      });
    }
    return this.#handle;
  }

  /**
   * @throws InputError XCLBIN_UNREADABLE, XCLBIN_INVALID; DeviceError XCLBIN_WRONG_MODE, XCLBIN_WRONG_ABI,
   *   SHELL_MISMATCH, XCLBIN_BUSY, XCLBIN_NOT_LOADED, XCLBIN_NOT_ACTIVE, DEVICE_LOST.
   */
  load(xclbinPath: string): void {
    const { handle } = this;
    const xclbin = readXclbinFile(xclbinPath);
    requireLoadable(xclbin, xclbinPath, this.library);
    if (this.library.xrt.xrtDeviceLoadXclbinFile(handle, xclbinPath) !== 0) {
      throw loadFailed(this, xclbin, xclbinPath);
    }
    const active = new Uint8Array(16);
    if (this.library.xrt.xrtDeviceGetXclbinUUID(handle, active) !== 0) {
      throw deviceFailed(this, "XCLBIN_NOT_ACTIVE", `The UUID loaded on ${this.name} cannot be read`);
    }
    if (Buffer.compare(active, xclbin.header.uuid) !== 0) {
      throw new DeviceError(
        "XCLBIN_NOT_ACTIVE",
        `${this.name} runs xclbin ${uuidText(active)} instead of ${xclbin.uuid}.`,
        { hint: "Another process may have loaded it; close that process and try again." },
      );
    }
    this.#xclbin = xclbin;
  }

  /** @throws DeviceError XCLBIN_MISSING, KERNEL_UNKNOWN, KERNEL_NOT_OPENED. */
  openKernel(name: string): XrtKernel {
    void this.handle;
    const xclbin = this.#xclbin;
    if (xclbin === undefined) {
      throw new DeviceError("XCLBIN_MISSING", `No xclbin is loaded on ${this.name}.`);
    }
    const metadata = xclbin.kernels.find((kernel) => kernel.name === name);
    if (metadata === undefined) {
      const names = xclbin.kernels.map((kernel) => kernel.name).join(", ") || "none";
      throw new DeviceError("KERNEL_UNKNOWN", `The xclbin has no kernel '${name}'; its kernels: ${names}.`);
    }
    const kernel = new XrtKernel(this, metadata, xclbin.header.uuid, xclbin.groups);
    this.#kernels.add(kernel);
    return kernel;
  }

  /** For {@link XrtKernel} and {@link XrtBuffer}: what the device closes with itself. */
  remember(buffer: XrtBuffer): void {
    this.#buffers.add(buffer);
  }

  forget(part: XrtBuffer | XrtKernel): void {
    if (part instanceof XrtBuffer) {
      this.#buffers.delete(part);
      this.#freed++;
    } else this.#kernels.delete(part);
  }

  /** How many buffers were freed: as long as it stays the same, those that were open are. */
  get freedBuffers(): number {
    return this.#freed;
  }

  /** Whether a run that is under way has this buffer as an argument. */
  runsWith(buffer: XrtBuffer): boolean {
    return [...this.#kernels].some((kernel) => kernel.runsWith(buffer));
  }

  close(): void {
    if (this.#handle === undefined) return;
    const handle = this.#handle;
    this.#handle = undefined;
    unregisterDevice(this);
    const waiting =
      [...this.#kernels].some((kernel) => kernel.busy) || [...this.#buffers].some((buffer) => buffer.sending);
    // A wait in a thread of the pool holds the run's handle until its slice is over; a copy is as short.
    if (waiting) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2 * longestSliceMs);
    for (const kernel of this.#kernels) kernel.closeRuns();
    for (const buffer of [...this.#buffers]) buffer.release();
    for (const kernel of [...this.#kernels]) kernel.release();
    this.library.xrt.xrtDeviceClose(handle);
  }
}
