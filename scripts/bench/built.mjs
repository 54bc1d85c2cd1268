import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));
/** What `npm run build` compiled; ACCLLM_DIST names another folder. */
export const dist = process.env.ACCLLM_DIST ?? join(root, "dist");
export const cli = join(dist, "host", "cli", "main.js");

/**
 * A module of the build.
 * @param {string} path relative to dist
 */
export async function importBuilt(path) {
  const file = join(dist, path);
  if (!existsSync(file)) throw new Error(`There is no ${file}; run \`npm run build\` first.`);
  return import(pathToFileURL(file).href);
}
