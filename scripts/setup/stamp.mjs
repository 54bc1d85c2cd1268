import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * Hash over the content of files and over facts such as versions and options. Content, not times: a git
 * checkout or a copy of the folder changes every time and no input.
 * @param {string} root
 * @param {readonly string[]} files relative to root
 * @param {Readonly<Record<string, unknown>>} [facts]
 * @returns {string} SHA-256, hex
 */
export function fingerprint(root, files, facts = {}) {
  const hash = createHash("sha256");
  hash.update(JSON.stringify(facts));
  for (const file of files) {
    const content = readFileSync(join(root, file));
    hash.update(`\0${file}\0${content.length}\0`).update(content);
  }
  return hash.digest("hex");
}

/**
 * What a finished step left: the fingerprint of its inputs, its outputs with their sizes, and a result to show
 * again. A step clears its stamp before it starts and writes it when it is done, so that a step that was
 * interrupted has none.
 * @template [Result=undefined]
 */
export class Stamp {
  /** @param {string} file where the stamp is kept */
  constructor(file) {
    this.file = file;
  }

  /**
   * The stamp's content, where its inputs were the same and every output is still there.
   * @param {string} inputs fingerprint
   * @returns {{ result: Result } | undefined}
   */
  current(inputs) {
    const content = readJson(this.file);
    if (content?.inputs !== inputs) return undefined;
    for (const [path, bytes] of Object.entries(content.outputs)) {
      if (statSync(path, { throwIfNoEntry: false })?.size !== bytes) return undefined;
    }
    return { result: content.result };
  }

  clear() {
    rmSync(this.file, { force: true });
  }

  /**
   * @param {string} inputs fingerprint, taken before the step ran
   * @param {readonly string[]} outputs absolute paths
   * @param {Result} [result]
   */
  write(inputs, outputs, result) {
    const sizes = Object.fromEntries(outputs.map((path) => [path, statSync(path).size]));
    mkdirSync(dirname(this.file), { recursive: true });
    const partial = `${this.file}.${process.pid}.partial`;
    writeFileSync(partial, JSON.stringify({ inputs, outputs: sizes, result }, undefined, 2));
    renameSync(partial, this.file);
  }
}

/**
 * @param {string} file
 * @returns {any} undefined where the file is absent or not JSON
 */
function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}
