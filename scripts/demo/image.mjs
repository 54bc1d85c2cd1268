import { join, relative } from "node:path";
import { sourceFiles } from "../setup/source-files.mjs";
import { fingerprint, Stamp } from "../setup/stamp.mjs";
import { seconds } from "../setup/terminal.mjs";
import { runVerb } from "./command-line.mjs";

/**
 * @typedef {object} DemoImage
 * @property {string} path
 * @property {number} bytes
 * @property {number} bitsPerWeight
 */

/**
 * Quantizes models/demo into build/demo.accllm with `accllm quantize`, which shows its own progress. Reused
 * while the checkpoint and the quantizer are the same.
 * @param {{ paths: import("../setup/project.mjs").ProjectPaths, signal: AbortSignal, terminal: import("../setup/terminal.mjs").Terminal }} context
 * @returns {Promise<DemoImage>}
 */
export async function makeDemoImage({ paths, signal, terminal }) {
  const image = join(paths.build, "demo.accllm");
  const checkpoint = join(paths.root, "models", "demo");
  const inputs = fingerprint(paths.root, [
    ...sourceFiles(paths.root, ["models/demo"], (path) => /\.(json|safetensors)$/.test(path)),
    ...sourceFiles(paths.root, ["quant"], (path) => /\.(ts|c|cc|cpp|h|hpp)$/.test(path)),
    "package-lock.json",
  ]);
  /** @type {Stamp<DemoImage>} */
  const stamp = new Stamp(join(paths.stamps, "demo-image.json"));
  const made = stamp.current(inputs);
  if (made) return made.result;
  stamp.clear();
  const since = performance.now();
  terminal.line(`Quantizing ${relative(paths.root, checkpoint)} ...`);
  /** @type {DemoImage | undefined} */
  let result;
  await runVerb(paths, ["quantize", checkpoint, "-o", image], signal, ({ bytes, bitsPerWeight }) => {
    result = { path: image, bytes, bitsPerWeight };
  });
  if (result === undefined) throw new Error("accllm quantize ended without a report.");
  stamp.write(inputs, [image], result);
  terminal.step("done", "model image", seconds(performance.now() - since));
  return result;
}
