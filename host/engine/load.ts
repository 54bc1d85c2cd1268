import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Image, openImage } from "../../quant/format/image.ts";
import type { ImageHeader } from "../../quant/format/image-header.ts";
import type { EngineName } from "../config/engine.ts";
import { packageRoot } from "../config/paths.ts";
import type { Device } from "../device/device.ts";
import { emulationFile } from "../device/emulation-file.ts";
import { requireListed } from "../device/manifest.ts";
import { openDevice } from "../device/open.ts";
import { parseDeviceSpecification } from "../device/specification.ts";
import { DeviceError, UsageError } from "../errors.ts";
import { loadTokenizer, type Tokenizer } from "../text/tokenizer.ts";
import { textCodec } from "./codec.ts";
import { Model } from "./model.ts";
import { Session, type SessionOptions } from "./session.ts";

export interface LoadOptions
  extends Pick<SessionOptions, "sinks" | "window" | "trace" | "progress" | "signal"> {
  /** "emulator" (default), "xrt:0" (a card by index) or "xrt:0000:3b:00.1" (by PCIe address). */
  readonly device?: string | undefined;
  /**
   * Engine of the emulator: "golden" is the kernel's own source, "fast" the same bits with SIMD and threads. Default
   * what ACCLLM_EMU_ENGINE says, else "fast".
   */
  readonly engine?: EngineName | undefined;
  /** Threads of the fast engine; default ACCLLM_THREADS, else one a core. */
  readonly threads?: number | undefined;
  /** Bitstream for a card; default bitstreams/<platform>.xclbin of the package. */
  readonly xclbin?: string | undefined;
}

/**
 * Loads a model image onto a device.
 * @returns a model that holds the device until it is closed
 * @throws InputError for a bad image, DeviceError for a device that cannot be used, UsageError for a device's name
 *   or a window that cannot be, InterruptedError
 */
export async function loadModel(path: string, options: LoadOptions = {}): Promise<Model<ImageHeader>> {
  const image = await openImage(path);
  try {
    const { session, meanwhile: tokenizer } = await openSessionAnd(image, options, () =>
      imageTokenizer(image),
    );
    return new Model(session, textCodec(tokenizer, image.header.model), image.header);
  } finally {
    await image.close();
  }
}

/**
 * Puts an open image on a device. The session owns the device; the image may be closed afterwards.
 * @throws as loadModel
 */
export async function openSession(image: Image, options: LoadOptions = {}): Promise<Session> {
  const { device: name, engine, threads, xclbin, ...session } = options;
  const device = await openConfiguredDevice(image.header.platform.name, {
    device: name,
    engine,
    threads,
    xclbin,
  });
  return Session.open({ ...session, device, image, ownsDevice: true });
}

/**
 * Puts an open image on a device as {@link openSession}, and does other work while the weights are sent by other threads.
 * @throws as loadModel, and what the work throws; nothing stays open then
 */
export async function openSessionAnd<T>(
  image: Image,
  options: LoadOptions,
  work: () => Promise<T>,
): Promise<{ session: Session; meanwhile: T }> {
  let sending = () => {};
  const begun = new Promise<void>((resolve) => {
    sending = resolve;
  });
  const progress = (done: number, total: number) => {
    sending();
    options.progress?.(done, total);
  };
  const opening = openSession(image, { ...options, progress });
  // Whoever waits for it is told; the work may come first.
  opening.catch(() => undefined);
  try {
    await Promise.race([begun, opening]);
    const meanwhile = await work();
    return { session: await opening, meanwhile };
  } catch (error) {
    await opening.then(
      (session) => session.close(),
      () => undefined,
    );
    throw error;
  }
}

/**
 * Opens a device and loads a platform's bitstream, or its emulation.
 * @returns the device, to be closed by the caller
 * @throws UsageError, InputError, DeviceError as loadModel
 */
export async function openConfiguredDevice(
  platform: string,
  {
    device: name = "emulator",
    engine,
    threads,
    xclbin,
  }: Pick<LoadOptions, "device" | "engine" | "threads" | "xclbin"> = {},
): Promise<Device> {
  const { kind } = parseDeviceSpecification(name);
  if (kind === "emulator") refuseXclbin(xclbin);
  const file = await (kind === "emulator" ? emulationFile(platform) : bitstreamFile(platform, xclbin));
  const device = await openDevice(name, { engine, threads, xclbin: kind === "emulator" ? undefined : file });
  try {
    device.load(file);
    return device;
  } catch (error) {
    device.close();
    throw error;
  }
}

/** The tokenizer that an image carries. */
export async function imageTokenizer(image: Image): Promise<Tokenizer> {
  const { tokenizerJson, tokenizerConfig } = await image.tokenizerFiles();
  const { bosId, eosIds } = image.header.model;
  return loadTokenizer(tokenizerJson, tokenizerConfig, {
    ...(bosId === null ? {} : { bosId }),
    ...(eosIds.length === 0 ? {} : { eosIds }),
  });
}

/** The bitstream for a card. */
async function bitstreamFile(platform: string, given: string | undefined): Promise<string> {
  const file = given ?? join(packageRoot, "bitstreams", `${platform}.xclbin`);
  if (existsSync(file)) {
    await requireListed(file);
    return file;
  }
  throw new DeviceError("XCLBIN_MISSING", `There is no bitstream ${file}.`, {
    hint: "Build or download one for this card and name it with --xclbin, or use --device emulator.",
  });
}

function refuseXclbin(given: string | undefined): void {
  if (given === undefined) return;
  throw new UsageError(
    "XCLBIN_FOR_EMULATOR",
    `The emulator makes its own xclbin and takes none (${given}).`,
    { hint: "Name a card with --device xrt:0, or leave --xclbin out." },
  );
}
