#!/usr/bin/env node
/**
 * Benchmark of the emulator's fast engine on the shapes of TinyLlama-1.1B with synthetic weights:
 *   node scripts/bench-engine.mjs [w2|w2s24|w4|w8] [prompt tokens] [decode tokens] [runs]
 * Builds host/emulator/fast/testbench/bench_engine.cpp and runs it. Prints the machine, prefill and decode rates (best
 * and median), what plain reads of memory reach in the same run, and the ratio of fast to golden on one layer.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = join(root, "build", "fast-engine");

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {"ignore" | "inherit"} output
 */
function run(command, args, output) {
  const { status, error } = spawnSync(command, args, { stdio: ["ignore", output, "inherit"] });
  if (error !== undefined) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

mkdirSync(folder, { recursive: true });
const source = join(root, "host", "emulator");
run("cmake", ["-S", source, "-B", folder, "-DCMAKE_BUILD_TYPE=Release"], "ignore");
run("cmake", ["--build", folder, "-j2", "--target", "bench_engine"], "ignore");
const [cpu] = cpus();
console.log(
  `${cpu?.model.trim()}, ${cpus().length} cores, load ${loadavg()[0]?.toFixed(1)} before the run; a quiet machine has less than 0.5`,
);
run(join(folder, "bench_engine"), process.argv.slice(2), "inherit");
