import { mkdir, readdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { kernelAbiVersion } from "../../quant/format/platform.ts";
import { packageRoot, writableCache } from "../config/paths.ts";
import { type CliContext, write } from "./context.ts";
import { quantizeWithProgress } from "./quantization.ts";

const checkpoint = join(packageRoot, "models", "demo");

/**
 * The model image of models/demo, kept in the cache folder under a name with the kernel interface's version; made on
 * first use and again where the checkpoint is newer than the image.
 * @returns its path
 */
export async function demoImage(context: CliContext, folder = writableCache(context.env)): Promise<string> {
  const image = join(folder, `demo-abi${kernelAbiVersion}.accllm`);
  if ((await modified(image)) > (await newestIn(checkpoint))) return image;
  await mkdir(dirname(image), { recursive: true });
  if (!context.json) await write(context.stderr, "Quantizing the demo model; this happens once.\n");
  await quantizeWithProgress(context, { checkpoint, output: image });
  return image;
}

/** When a file last changed, in milliseconds; 0 where there is none. */
async function modified(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.mtimeMs ?? 0;
}

async function newestIn(folder: string): Promise<number> {
  const files = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isFile());
  return Math.max(...(await Promise.all(files.map(({ name }) => modified(join(folder, name))))));
}
