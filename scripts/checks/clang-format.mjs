import { join } from "node:path";
import { sourceFiles } from "../setup/source-files.mjs";

/** Folders that may hold C++. */
const folders = ["hls", "host", "quant", "tests"];

/**
 * The command that checks (or, with `write`, changes) the layout of every C++ file of a checkout. The binary is
 * the npm package's, so that everybody has the same version.
 * @param {string} root
 * @param {boolean} write
 */
export function clangFormatCommand(root, write) {
  const files = sourceFiles(root, folders, (path) => /\.(c|cc|cpp|h|hpp|inl)$/.test(path));
  const program = join(root, "node_modules", "clang-format", "index.js");
  const mode = write ? ["-i"] : ["--dry-run", "--Werror"];
  return { command: process.execPath, args: [program, "--style=file", ...mode, ...files], files };
}
