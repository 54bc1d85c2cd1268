import { existsSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { importBuilt, root } from "./built.mjs";

/**
 * Whether the file is an image that this version opens.
 * @param {string} file
 */
async function opens(file) {
  const { openImage } = await importBuilt("quant/format/image.js");
  try {
    const image = await openImage(file);
    await image.close();
    return true;
  } catch {
    return false;
  }
}

/**
 * The path of a synthetic image, made on first use and anew where the format has changed.
 * @param {{ shape: string, format: string, target?: string, window?: number }} wanted
 */
export async function ensureImage({ shape, format, target, window = 2044 }) {
  const file = target ?? join(root, "build", "bench", `${shape}-${format}-${window}-8.accllm`);
  if (existsSync(file) && (target !== undefined || (await opens(file)))) return file;
  mkdirSync(dirname(file), { recursive: true });
  const { benchShapes } = await importBuilt("host/bench/shapes.js");
  const { writeSyntheticImage } = await importBuilt("host/bench/synthetic-image.js");
  const { platforms } = await importBuilt("quant/format/platform.js");
  await writeSyntheticImage(file, {
    model: benchShapes[shape],
    platform: platforms.u280,
    format,
    sinks: 4,
    window,
  });
  return file;
}
