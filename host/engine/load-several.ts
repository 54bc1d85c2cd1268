import { parseDeviceSpecification } from "../device/open.ts";
import { UsageError } from "../errors.ts";
import { type LoadOptions, loadModel } from "./load.ts";

/** The registry's names in a list such as "xrt:0,xrt:1" or "emulator": each a device, none twice. */
export function parseDeviceList(text: string): string[] {
  const names = text.split(",").map((name) => name.trim());
  const seen = new Set<string>();
  for (const name of names) {
    const key = JSON.stringify(parseDeviceSpecification(name));
    // Every emulator that is opened is a card of its own.
    if (key !== '{"kind":"emulator"}' && seen.has(key)) {
      throw new UsageError("DEVICE_TWICE", `The device ${name} is named twice.`, {
        hint: "One engine runs on a card; name each card once.",
      });
    }
    seen.add(key);
  }
  return names;
}

/**
 * Loads a model once on every device of a list: one engine a card, each with a sequence of its own.
 * @returns models in the list's order; where one cannot be loaded, none stays open
 * @throws UsageError DEVICE_UNKNOWN, DEVICE_TWICE; as loadModel
 */
export async function loadModels(
  path: string,
  { device = "emulator", ...options }: LoadOptions = {},
): Promise<Awaited<ReturnType<typeof loadModel>>[]> {
  const models: Awaited<ReturnType<typeof loadModel>>[] = [];
  try {
    for (const name of parseDeviceList(device)) {
      models.push(await loadModel(path, { ...options, device: name }));
    }
    return models;
  } catch (error) {
    for (const model of models) await model.close();
    throw error;
  }
}
