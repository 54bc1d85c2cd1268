// Time and peak memory of `accllm quantize` on a synthetic checkpoint with TinyLlama-1.1B's shapes in BF16:
//   node scripts/bench-quantize.mjs [shape] [layers] [options of quantize ...]
// such as `tinyllama-1.1b 22 --recipe fast`, or `tinyllama-1.1b 2 --recipe good` for what a layer takes. Recipes that
// calibrate do it on a made-up text of the tokenizer's words.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { cli, root } from "./bench/built.mjs";
import { ensureCheckpoint } from "./bench/checkpoint.mjs";

const [shape = "tinyllama-1.1b", layers = "", ...given] = process.argv.slice(2);
const options = given.length > 0 ? given : ["--recipe", "fast"];
const checkpoint = await ensureCheckpoint(shape, layers === "" ? undefined : Number(layers));
const image = join(root, "build", "bench", "quantized.accllm");
if (!options.includes("fast")) options.push("--calibration", calibrationText());

console.log(`${checkpoint}: ${statSync(join(checkpoint, "model.safetensors")).size} bytes`);
console.log(`load ${loadavg()[0]?.toFixed(2)}, ${options.join(" ")}`);
const start = performance.now();
const child = spawn(process.execPath, [cli, "quantize", checkpoint, "-o", image, ...options], {
  stdio: ["ignore", "ignore", "inherit"],
});
let peak = 0;
let processor = 0;
const watch = setInterval(() => {
  try {
    const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
    peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
    const fields = readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    processor = (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    // It has just ended.
  }
}, 100);
const [code] = await once(child, "exit");
clearInterval(watch);
if (code !== 0) process.exit(1);
const seconds = (performance.now() - start) / 1000;
console.log(
  `${seconds.toFixed(1)} s, ${processor.toFixed(1)} s of processor time, peak ${(peak / 1024).toFixed(0)} MiB, image of ${statSync(image).size} bytes`,
);

/** Words that the synthetic tokenizer knows, in an order of their own. */
function calibrationText() {
  const path = join(root, "build", "bench", "words.txt");
  let x = 1;
  const word = () => {
    x = (x * 48271) % 2147483647;
    return String.fromCharCode(97 + (x % 26), 97 + ((x >> 5) % 26));
  };
  writeFileSync(path, Array.from({ length: 200_000 }, word).join(" "));
  return path;
}
