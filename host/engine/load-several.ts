import { availableParallelism } from "node:os";
import { type Image, openImage } from "../../quant/format/image.ts";
import type { ImageHeader } from "../../quant/format/image-header.ts";
import { requireDifferentCards } from "../device/card-access.ts";
import { thisMachine } from "../device/machine.ts";
import { parseDeviceList } from "../device/specification.ts";
import { textCodec } from "./codec.ts";
import { imageTokenizer, type LoadOptions, openSession } from "./load.ts";
import { Model } from "./model.ts";
import type { Session } from "./session.ts";

/**
 * What each device of a list is opened with. Several emulators share the machine's cores.
 * @param device "xrt:0,xrt:1", "emulator:2"; default "emulator"
 * @throws UsageError DEVICE_UNKNOWN, DEVICE_TWICE
 */
export async function optionsForEach<T extends LoadOptions>(options: T): Promise<T[]> {
  const names = parseDeviceList(options.device ?? "emulator");
  if (names.length > 1) await requireDifferentCards(names, thisMachine);
  const emulators = names.filter((name) => name === "emulator").length;
  const threads =
    options.threads ??
    (emulators > 1 && !process.env.ACCLLM_THREADS
      ? Math.max(1, Math.floor(availableParallelism() / emulators))
      : undefined);
  return names.map((device) => ({ ...options, device, threads }));
}

/**
 * Opens something on every device of a list.
 * @returns in the list's order; where one cannot be opened, none stays open
 */
export async function openEach<T extends { close(): Promise<void> | void }>(
  options: readonly LoadOptions[],
  open: (options: LoadOptions) => Promise<T>,
): Promise<T[]> {
  const opened: T[] = [];
  try {
    for (const one of options) opened.push(await open(one));
    return opened;
  } catch (error) {
    for (const one of opened) await one.close();
    throw error;
  }
}

/**
 * Puts an open image on every device of a list, as openSession does on one.
 * @throws UsageError DEVICE_UNKNOWN, DEVICE_TWICE; as loadModel
 */
export async function openSessions(image: Image, options: LoadOptions = {}): Promise<Session[]> {
  return openEach(await optionsForEach(options), (one) => openSession(image, one));
}

/**
 * Loads a model once on every device of a list: one engine a card, each with a sequence of its own.
 * @returns models in the list's order; where one cannot be loaded, none stays open
 * @throws UsageError DEVICE_UNKNOWN, DEVICE_TWICE; as loadModel
 */
export async function loadModels(path: string, options: LoadOptions = {}): Promise<Model<ImageHeader>[]> {
  const image = await openImage(path);
  try {
    const codec = textCodec(await imageTokenizer(image), image.header.model);
    const sessions = await openSessions(image, options);
    return sessions.map((session) => new Model(session, codec, image.header));
  } finally {
    await image.close();
  }
}
