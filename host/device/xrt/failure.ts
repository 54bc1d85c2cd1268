import { constants } from "node:os";
import { DeviceError } from "../../errors.ts";
import { lastErrno } from "./binding.ts";
import type { XrtLibrary } from "./library.ts";

const { errno: numbers } = constants;

/** What a failed call left behind: read it before any other native call. */
export interface CallFailure {
  readonly errno: number;
  /** The library's own text and errno's name: " (no free range; ENOMEM)", or "". */
  readonly reasons: string;
}

function errnoName(value: number): string {
  const entry = Object.entries(numbers).find(([, code]) => code === value);
  return entry?.[0] ?? `errno ${value}`;
}

/** What the call that has just failed says about itself. */
export function callFailure(library: XrtLibrary): CallFailure {
  const errno = lastErrno();
  const text = library.emulator?.accllmEmuLastError() ?? "";
  const reasons = [text, errno === 0 ? "" : errnoName(errno)].filter((part) => part !== "");
  return { errno, reasons: reasons.length > 0 ? ` (${reasons.join("; ")})` : "" };
}

/** A device as far as its errors need it. */
export interface FailingDevice {
  readonly name: string;
  readonly library: XrtLibrary;
  /** Whether the card is known to be off the bus. */
  readonly gone: boolean;
}

/** The error of every call on a card that is no longer there. */
export function deviceLost(device: FailingDevice, reasons = ""): DeviceError {
  return new DeviceError(
    "DEVICE_LOST",
    `The device ${device.name} does not answer any more${reasons}: it has fallen off the bus, or its driver was unloaded.`,
    {
      hint: "Look at `dmesg`; a card comes back with `xbutil reset` or a cold boot. What it computed is lost.",
    },
  );
}

/**
 * The error for a call on an open device that has just failed: DEVICE_LOST where the device is gone, else `code` with
 * what was tried, the library's own text where it gives one, and errno.
 */
export function deviceFailed(
  device: FailingDevice,
  code: string,
  what: string,
  detail: { hint?: string } = {},
): DeviceError {
  const { errno, reasons } = callFailure(device.library);
  if (errno === numbers.ENODEV || device.gone) return deviceLost(device, reasons);
  return new DeviceError(code, `${what}${reasons}.`, detail);
}

/** The same for an allocation, whose commonest reason has a code of its own: OUT_OF_DEVICE_MEMORY. */
export function allocationFailed(device: FailingDevice, what: string): DeviceError {
  const { errno, reasons } = callFailure(device.library);
  if (errno === numbers.ENODEV || device.gone) return deviceLost(device, reasons);
  // XRT tells a full bank as ENOMEM, or as std::bad_alloc without an errno.
  const full = errno === numbers.ENOMEM || errno === 0;
  return new DeviceError(full ? "OUT_OF_DEVICE_MEMORY" : "BUFFER_NOT_ALLOCATED", `${what}${reasons}.`, {
    hint: full
      ? "Use a smaller model or window, or end other programs that use the card; `accllm inspect IMAGE` prints the plan."
      : "`accllm doctor` checks the installation.",
  });
}

/** Whether a failed load says that somebody else has the card. */
export function isBusy(errno: number): boolean {
  return errno === numbers.EBUSY || errno === numbers.EPERM;
}
