import { posix } from "node:path";

/**
 * @typedef {object} Rule
 * @property {string} name
 * @property {RegExp} files which files it is about, by path
 * @property {(path: string, text: string) => string[]} find what breaks it, one line each
 */

const code = /\.(ts|mjs|js|cpp|cc|c|hpp|h)$/;
const typescript = /\.(ts|mjs|js)$/;
const text = /(\.(ts|mjs|js|cpp|cc|c|hpp|h|md|json|cfg|txt|cmake|sh|py|yml|yaml)|\.ci\/run)$/;
const maxLines = 300;

/** The two native boundaries. */
const koffiBindings = ["host/device/xrt/binding.ts", "quant/native/binding.ts"];

/**
 * What holds for every file of the repository and no formatter or compiler looks for.
 * @type {readonly Rule[]}
 */
export const repositoryRules = [
  {
    name: "koffi is imported only by the two native boundaries",
    files: typescript,
    find: (path, content) =>
      koffiBindings.includes(path) ? [] : imports(content).filter((target) => target === "koffi"),
  },
  {
    name: "nothing imports the command line",
    files: /^(host|quant|scripts)\/.*\.(ts|mjs|js)$/,
    find: (path, content) =>
      inFolder(path, "host/cli")
        ? []
        : importedFiles(path, content).filter((file) => inFolder(file, "host/cli")),
  },
  {
    name: "the bit layout (quant/format) takes nothing from elsewhere but the errors",
    files: /^quant\/format\/.*\.ts$/,
    find: (path, content) =>
      importedFiles(path, content).filter(
        (file) => !inFolder(file, "quant/format") && file !== "host/errors.ts",
      ),
  },
  {
    name: "no path of a particular machine",
    files: text,
    find: (_, content) => matches(content, /(?<![\w.~-])\/(work|root|Users|home\/\w+|tmp\/\w+_jobs)\//),
  },
  {
    name: "no test is skipped, alone or left for later",
    files: /^tests\/.*\.ts$/,
    find: (_, content) => matches(content, /\b(it|test|describe|suite)\.(skip|only|todo)\b/),
  },
  {
    name: "no way around the type checker",
    files: typescript,
    find: (_, content) => matches(content, /\bas\s+any\b|@ts-(ignore|nocheck|expect-error)\b/),
  },
  {
    name: "nothing is left for later",
    files: code,
    find: (_, content) => matches(content, /\b(TO[D]O|FIX[M]E|X{3})\b/),
  },
  {
    name: `no file is over ${maxLines} lines unless generated`,
    files: code,
    find: (path, content) => {
      const lines = content.split("\n").length - 1;
      return lines <= maxLines || path.includes("/generated/") ? [] : [`${lines} lines`];
    },
  },
];

/**
 * What in one file breaks a rule, each as "rule: finding".
 * @param {string} path relative to the root, with forward slashes
 * @param {string} content
 * @returns {string[]}
 */
export function violations(path, content) {
  return repositoryRules
    .filter(({ files }) => files.test(path))
    .flatMap(({ name, find }) => find(path, content).map((what) => `${name}: ${what}`));
}

/**
 * Whether any rule looks at this file.
 * @param {string} path
 */
export function isGoverned(path) {
  return repositoryRules.some(({ files }) => files.test(path));
}

/**
 * Specifiers of static and dynamic imports, re-exports and require.
 * @param {string} content
 * @returns {string[]}
 */
function imports(content) {
  const pattern = /(?:\bfrom\s*|\bimport\s*\(?\s*|\brequire\s*\(\s*)["']([^"'\n]+)["']/g;
  return Array.from(content.matchAll(pattern), ([, target]) => /** @type {string} */ (target));
}

/**
 * Relative imports as paths from the root.
 * @param {string} path
 * @param {string} content
 */
function importedFiles(path, content) {
  return imports(content)
    .filter((target) => target.startsWith("."))
    .map((target) => posix.normalize(posix.join(posix.dirname(path), target)));
}

/**
 * @param {string} path
 * @param {string} folder
 */
function inFolder(path, folder) {
  return path.startsWith(`${folder}/`);
}

/**
 * @param {string} content
 * @param {RegExp} pattern
 * @returns {string[]} "line 12: <the line>"
 */
function matches(content, pattern) {
  return content
    .split("\n")
    .map((line, index) => ({ line, at: index + 1 }))
    .filter(({ line }) => pattern.test(line))
    .map(({ line, at }) => `line ${at}: ${line.trim().slice(0, 120)}`);
}
