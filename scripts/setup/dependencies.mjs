import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runQuietly } from "./command.mjs";

/** @typedef {{ version?: string, resolved?: string, integrity?: string, optional?: boolean }} LockedPackage */

/**
 * Whether node_modules holds what package-lock.json asks for. npm writes node_modules/.package-lock.json as its
 * last act, so that an install that was interrupted has none; packages for other platforms are absent from it.
 * @param {string} root
 */
export function dependenciesAreCurrent(root) {
  const wanted = lockedPackages(join(root, "package-lock.json"));
  const installed = lockedPackages(join(root, "node_modules", ".package-lock.json"));
  if (wanted === undefined || installed === undefined) return false;
  return Object.entries(wanted).every(([path, locked]) => {
    if (path === "") return true;
    const there = installed[path];
    if (there === undefined) return locked.optional === true;
    return (
      there.version === locked.version &&
      there.integrity === locked.integrity &&
      existsSync(join(root, path, "package.json"))
    );
  });
}

/**
 * `npm ci` where node_modules is absent or differs from package-lock.json.
 * @type {import("./set-up.mjs").Step}
 */
export const dependencies = {
  name: "dependencies",
  async run({ paths, log, signal }) {
    if (dependenciesAreCurrent(paths.root)) return { reused: true };
    // Under npm, the npm that is running; else the one on PATH.
    const npm = process.env.npm_execpath;
    const [command, ...prefix] = npm?.endsWith("npm-cli.js") ? [process.execPath, npm] : ["npm"];
    await runQuietly(command, [...prefix, "ci", "--include=dev", "--no-audit", "--no-fund"], {
      cwd: paths.root,
      log,
      signal,
      what: "Installing the npm packages (npm ci)",
      hint: "Check the network connection and the npm registry setting (`npm config get registry`), then type the command again.",
    });
    return { reused: false };
  },
};

/**
 * @param {string} file
 * @returns {Record<string, LockedPackage> | undefined} undefined where the file is absent or unreadable
 */
function lockedPackages(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages;
  } catch {
    return undefined;
  }
}
