// Time from the start of a process to its first token, and where it goes:
//   node scripts/bench-startup.mjs [image] [rounds]
// Without an image: TinyLlama-1.1B's shapes with random codes. The file is read once before, so that it is warm.
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { cli } from "./bench/built.mjs";
import { ensureImage } from "./bench/images.mjs";

const image = process.argv[2] ?? (await ensureImage({ shape: "tinyllama-1.1b", format: "w2" }));
const rounds = Number(process.argv[3] ?? 5);
await readFile(image);

/**
 * Milliseconds until the first byte of stdout.
 * @returns {Promise<number>}
 */
function firstByte() {
  const start = performance.now();
  const child = spawn(
    process.execPath,
    [cli, "run", image, "--json", "-n", "1", "--ignore-eos", "--temperature", "0", "-p", "hello"],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  return new Promise((resolve, reject) => {
    /** @type {number | undefined} */
    let first;
    child.stdout.once("data", () => {
      first = performance.now() - start;
    });
    child.once("error", reject);
    child.once("close", (code) =>
      code === 0 && first !== undefined ? resolve(first) : reject(new Error(`accllm run ended with ${code}`)),
    );
  });
}

const times = [];
for (let round = 0; round < rounds; round++) times.push(await firstByte());
times.sort((a, b) => a - b);
console.log(
  `${image}\nprocess start to first token: best ${Math.round(times[0])} ms of`,
  times.map(Math.round),
);
