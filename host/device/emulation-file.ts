import { randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { platforms } from "../../quant/format/platform.ts";
import { cacheFolder, writableCache } from "../config/paths.ts";
import { InputError } from "../errors.ts";
import { emulationXclbin } from "./xclbin/index.ts";

/**
 * The emulation's xclbin of a platform as a file, because XRT loads files. Written beside and renamed, as programs and
 * devices may open in parallel.
 * @returns its path, below the cache
 * @throws InputError PLATFORM_UNKNOWN.
 */
export async function emulationFile(name: string): Promise<string> {
  const platform = Object.hasOwn(platforms, name) ? platforms[name] : undefined;
  if (platform === undefined) {
    throw new InputError("PLATFORM_UNKNOWN", `The platform "${name}" is unknown here.`, {
      hint: `The platforms are ${Object.keys(platforms).join(", ")}; quantize the checkpoint again for one of them.`,
    });
  }
  const bytes = emulationXclbin(platform);
  const kept = join(cacheFolder(), "emulation", `${name}.xclbin`);
  const present = await readFile(kept).catch(() => undefined);
  if (present !== undefined && Buffer.compare(present, bytes) === 0) return kept;
  const folder = join(writableCache(), "emulation");
  const file = join(folder, `${name}.xclbin`);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const partial = `${file}.${randomUUID()}.partial`;
  try {
    await writeFile(partial, bytes);
    await rename(partial, file);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
  return file;
}
