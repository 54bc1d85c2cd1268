import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** Folder of the package (a checkout or an installed copy): the nearest one above this file with a package.json. */
export const packageRoot = findPackageRoot();

/** Whether this runs from a checkout and not from an installed package. */
export function isCheckout(root: string = packageRoot): boolean {
  return !root.split(sep).includes("node_modules");
}

/**
 * Where files live that can be made again: `build` in a checkout, else accllm below $XDG_CACHE_HOME or ~/.cache.
 * It need not exist yet.
 */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env, root: string = packageRoot): string {
  if (isCheckout(root)) return join(root, "build");
  return join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "accllm");
}

/** Version of the package. */
export function packageVersion(): string {
  const manifest = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as { version: string };
  return manifest.version;
}

function findPackageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json")) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}
