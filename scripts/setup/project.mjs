import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** Root of the checkout these scripts belong to. */
export const checkoutRoot = resolve(fileURLToPath(new URL("../..", import.meta.url)));

/**
 * Where things are in a checkout.
 * @param {string} root
 */
export function projectPaths(root) {
  const build = join(root, "build");
  return {
    root,
    build,
    stamps: join(build, "stamps"),
    logs: join(build, "logs"),
    lock: join(build, "set-up.lock"),
    native: join(build, "native"),
    dist: join(root, "dist"),
    cli: join(root, "dist", "host", "cli", "main.js"),
    nodeModules: join(root, "node_modules"),
  };
}

/** @typedef {ReturnType<typeof projectPaths>} ProjectPaths */
