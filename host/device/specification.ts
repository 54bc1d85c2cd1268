import { UsageError } from "../errors.ts";

/** A card: its index as XRT counts, or its PCIe address ("0000:3b:00.1"). */
export type DeviceAddress = { readonly index: number } | { readonly bdf: string };

/** What a device specification names. */
export type DeviceSpecification =
  | { readonly kind: "emulator" }
  | { readonly kind: "xrt"; readonly address: DeviceAddress };

const bdfPattern = /^(?:[0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/;
const emulators = /^emulator:([1-9]\d?)$/;

/**
 * Reads "emulator", "xrt:0" or "xrt:0000:3b:00.1".
 * @throws UsageError DEVICE_UNKNOWN.
 */
export function parseDeviceSpecification(text: string): DeviceSpecification {
  if (text === "emulator") return { kind: "emulator" };
  const rest = text.startsWith("xrt:") ? text.slice(4).toLowerCase() : "";
  if (/^\d{1,3}$/.test(rest)) return { kind: "xrt", address: { index: Number(rest) } };
  if (bdfPattern.test(rest)) {
    return { kind: "xrt", address: { bdf: rest.length < 12 ? `0000:${rest}` : rest } };
  }
  throw new UsageError("DEVICE_UNKNOWN", `'${text}' names no device.`, {
    hint: "Write emulator, xrt:0 (the first card) or xrt:0000:3b:00.1 (a PCIe address); `accllm devices` lists them.",
  });
}

/**
 * The names in a list such as "xrt:0,xrt:1": each a device, no card twice. "emulator:3" stands for three emulators, and
 * every emulator is a card of its own.
 * @throws UsageError DEVICE_UNKNOWN, DEVICE_TWICE
 */
export function parseDeviceList(text: string): string[] {
  const names = text
    .split(",")
    .map((name) => name.trim())
    .flatMap((name) => {
      const count = emulators.exec(name)?.[1];
      return count === undefined ? [name] : new Array<string>(Number(count)).fill("emulator");
    });
  requireDifferent(names.map((name) => [name, addressOf(name)]));
  return names;
}

/** The card that a name means; undefined for an emulator. @throws UsageError DEVICE_UNKNOWN */
export function addressOf(name: string): DeviceAddress | undefined {
  const specification = parseDeviceSpecification(name);
  return specification.kind === "xrt" ? specification.address : undefined;
}

/**
 * @param devices names with the cards they mean; an undefined card differs from all
 * @throws UsageError DEVICE_TWICE
 */
export function requireDifferent(
  devices: readonly (readonly [name: string, card: DeviceAddress | undefined])[],
): void {
  const seen = new Set<string>();
  for (const [name, card] of devices) {
    if (card === undefined) continue;
    const key = "bdf" in card ? card.bdf : String(card.index);
    if (seen.has(key)) {
      throw new UsageError("DEVICE_TWICE", `The device ${name} is named twice.`, {
        hint: "One engine runs on a card; name each card once.",
      });
    }
    seen.add(key);
  }
}
