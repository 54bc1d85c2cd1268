import { accessSync, constants, existsSync, lstatSync, mkdtempSync, readFileSync, statSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
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

/**
 * A folder for such files that can be written: the cache where that can be made or written, else one of this user's own
 * among the temporary files. So a package on a read-only file system, or in a checkout of somebody else's, runs as well.
 */
export function writableCache(
  env: NodeJS.ProcessEnv = process.env,
  { cache = cacheFolder(env), temporary = tmpdir() } = {},
): string {
  if (canWrite(cache)) return cache;
  const folder = join(temporary, `accllm-${process.getuid?.() ?? "user"}`);
  const present = lstatSync(folder, { throwIfNoEntry: false });
  // What somebody else put there is not trusted.
  const others = present !== undefined && (!present.isDirectory() || present.uid !== process.getuid?.());
  return others ? mkdtempSync(`${folder}-`) : folder;
}

/** Whether a folder can be written, or made where there is none. */
function canWrite(folder: string): boolean {
  let nearest = folder;
  while (!existsSync(nearest) && dirname(nearest) !== nearest) nearest = dirname(nearest);
  try {
    accessSync(nearest, constants.W_OK | constants.X_OK);
    return statSync(nearest).isDirectory();
  } catch {
    return false;
  }
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
