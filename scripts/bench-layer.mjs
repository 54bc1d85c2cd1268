// What a layer of a big model takes: GPTQ and one epoch of training it on its float counterpart, on random tokens:
//   node scripts/bench-layer.mjs [shape: tinyllama-1.1b] [--sequences 128] [--format w2] [--reconstruct 0] [--threads N]
// A line a part: seconds, processor seconds, and the process' peak memory up to then. Both grow with the number of
// sequences; training does all of them but a sixteenth, which only judges, before and after.
import { readFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { importBuilt } from "./bench/built.mjs";
import { ensureCheckpoint } from "./bench/checkpoint.mjs";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    sequences: { type: "string", default: "128" },
    format: { type: "string", default: "w2" },
    reconstruct: { type: "string", default: "0" },
    threads: { type: "string", default: String(availableParallelism()) },
  },
});
const { calibrate } = await importBuilt("quant/passes/calibrated.js");
const { sequenceLength } = await importBuilt("quant/passes/recipe.js");
const { layerMatrices } = await importBuilt("quant/native/native-model.js");
const { layerTensorName } = await importBuilt("quant/format/inventory.js");
const { openCheckpoint } = await importBuilt("quant/io/checkpoint.js");

const checkpoint = await openCheckpoint(await ensureCheckpoint(positionals[0] ?? "tinyllama-1.1b", 1), {});
const names = layerMatrices.map((/** @type {string} */ matrix) => layerTensorName(0, matrix));
let state = 1;
const token = () => {
  state = (state * 48271) % 2147483647;
  return state % checkpoint.config.vocabSize;
};
const sequences = Array.from({ length: Number(values.sequences) }, () =>
  Array.from({ length: sequenceLength }, token),
);

let part = "";
let since = performance.now();
let processor = process.cpuUsage();
/** @param {string} next */
function tell(next) {
  if (next === part) return;
  if (part !== "") {
    const { user, system } = process.cpuUsage(processor);
    const peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) / 1024;
    const seconds = (performance.now() - since) / 1000;
    console.log(
      `${part.padEnd(15)} ${seconds.toFixed(1)} s, ${((user + system) / 1e6).toFixed(1)} s of processor time, peak ${peak.toFixed(0)} MiB`,
    );
  }
  part = next;
  since = performance.now();
  processor = process.cpuUsage();
}

console.log(
  `${checkpoint.path}: ${sequences.length} sequences of ${sequenceLength} tokens, ${values.format}`,
);
const calibrated = await calibrate(checkpoint, {
  formats: new Map(names.map((/** @type {string} */ name) => [name, values.format])),
  sequences,
  hadamard: true,
  centered: true,
  reconstruct: Number(values.reconstruct),
  finetune: 0,
  threads: Number(values.threads),
  seed: 1,
  onProgress: (/** @type {number} */ _, /** @type {string} */ what) =>
    tell(/: (\w+)/.exec(what)?.[1] ?? what),
  output: join(tmpdir(), `bench-layer-${process.pid}.accllm`),
  resume: false,
});
await calibrated.checkpoint.readRows(names[0], 0, 1);
tell("");
await calibrated.finish();
calibrated.close();
await checkpoint.close();
