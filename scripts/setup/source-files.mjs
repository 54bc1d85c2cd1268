import { readdirSync } from "node:fs";
import { join, posix } from "node:path";

const skippedFolders = new Set([".git", "node_modules", "build", "dist", "coverage"]);

/**
 * Files below some folders of a checkout that `accept` takes, as sorted paths relative to `root` with forward
 * slashes. Folders that are absent count as empty; built, installed and hidden folders are left out.
 * @param {string} root
 * @param {readonly string[]} folders relative to root; "" for the root itself
 * @param {(path: string) => boolean} accept
 * @returns {string[]}
 */
export function sourceFiles(root, folders, accept) {
  /** @type {string[]} */
  const found = [];
  /** @param {string} folder */
  const visit = (folder) => {
    for (const entry of entriesOf(join(root, folder))) {
      const path = posix.join(folder, entry.name);
      if (entry.isDirectory()) {
        if (!skippedFolders.has(entry.name)) visit(path);
      } else if (entry.isFile() && accept(path)) {
        found.push(path);
      }
    }
  };
  for (const folder of folders) visit(folder);
  return found.sort();
}

/** @param {string} folder */
function entriesOf(folder) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "ENOENT") return [];
    throw error;
  }
}
