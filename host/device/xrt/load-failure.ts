import { constants } from "node:os";
import { DeviceError } from "../../errors.ts";
import type { Card } from "../cards.ts";
import { uuidText, type Xclbin } from "../xclbin/index.ts";
import { callFailure, deviceLost, type FailingDevice, isBusy } from "./failure.ts";

/**
 * The two shells of a mismatch, in one sentence; undefined where they agree or one of them is not known. XRT itself
 * says "Invalid argument" or error -2.
 */
function shellMismatch(xclbin: Xclbin, card: Card): string | undefined {
  const wanted = xclbin.header.romUuid;
  if (wanted.every((byte) => byte === 0) || card.shellUuids.length === 0) return undefined;
  const uuid = uuidText(wanted);
  if (card.shellUuids.includes(uuid)) return undefined;
  return (
    `it was built for the shell ${xclbin.platform} (${uuid}), and the card ${card.bdf} runs ` +
    `${card.shell ?? "a shell without a name"} (${card.shellUuids.join(", ")})`
  );
}

/** The error for an xclbin that the device has just refused. Call it before any other native call. */
export function loadFailed(
  device: FailingDevice & { readonly card: Card | undefined },
  xclbin: Xclbin,
  path: string,
): DeviceError {
  const { errno, reasons } = callFailure(device.library);
  if (errno === constants.errno.ENODEV || device.gone) return deviceLost(device, reasons);
  if (isBusy(errno)) {
    return new DeviceError(
      "XCLBIN_BUSY",
      `The xclbin ${path} (${xclbin.uuid}) cannot be loaded on ${device.name}: the card is in use with another xclbin${reasons}.`,
      {
        hint: "End the program that uses the card (`xbutil examine` shows what is loaded), or take another card.",
      },
    );
  }
  const mismatch = device.card === undefined ? undefined : shellMismatch(xclbin, device.card);
  if (mismatch !== undefined) {
    return new DeviceError("SHELL_MISMATCH", `The xclbin ${path} does not fit the card: ${mismatch}.`, {
      hint: "Build it for the card's shell with `accllm build`, or put its shell on the card with `accllm flash --shell`.",
    });
  }
  return new DeviceError(
    "XCLBIN_NOT_LOADED",
    `The xclbin ${path} (${xclbin.uuid}, for ${xclbin.platform}) could not be loaded on ${device.name}${reasons}.`,
    {
      hint: "It must be built for the shell that the card runs; `accllm devices` and `accllm inspect` show both.",
    },
  );
}
