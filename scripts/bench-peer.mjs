// accllm's fast engine against llama.cpp on this machine: TinyLlama-1.1B's shapes with random weights, W2 and 2:4
// against Q2_K, at one thread and at two, pair by pair in alternation:
//   node scripts/bench-peer.mjs [rounds] [formats: w2,w2s24] [threads: 1,2] [cases: decode,prefill]
// llama.cpp is the prebuilt one of node-llama-cpp, installed into build/peer and no dependency of the project.
import { execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { importBuilt, root } from "./bench/built.mjs";
import { writeRandomGguf } from "./bench/gguf.mjs";
import { ensureImage } from "./bench/images.mjs";

const rounds = Number(process.argv[2] ?? 5);
const formats = (process.argv[3] ?? "w2,w2s24").split(",");
const threadCounts = (process.argv[4] ?? "1,2").split(",").map(Number);
const wanted = (process.argv[5] ?? "decode,prefill").split(",");
const cases = [
  { kind: "decode", count: 16 },
  { kind: "prefill", count: 512 },
].filter(({ kind }) => wanted.includes(kind));
const version = "3.22.1";

const library = installPeer();
const { benchShapes } = await importBuilt("host/bench/shapes.js");
const { syntheticTokenizer } = await importBuilt("host/bench/synthetic-tokenizer.js");
const { median } = await importBuilt("host/bench/statistics.js");
const shape = "tinyllama-1.1b";
const gguf = join(root, "build", "bench", `${shape}-q2_k.gguf`);
mkdirSync(join(root, "build", "bench"), { recursive: true });
if (!existsSync(gguf)) {
  const model = benchShapes[shape];
  const { vocab } = JSON.parse(new TextDecoder().decode(syntheticTokenizer(model.vocabSize))).model;
  writeRandomGguf(gguf, model, Object.keys(vocab));
}
console.log(`${gguf}: ${statSync(gguf).size} bytes`);

for (const format of formats) {
  const image = await ensureImage({ shape, format });
  console.log(`${image}: ${statSync(image).size} bytes`);
  for (const threads of threadCounts) {
    const peer =
      library === undefined ? undefined : await start("peer-child.mjs", [library, gguf, String(threads)]);
    const own = await start("own-child.mjs", [image, String(threads)]);
    for (const { kind, count } of cases) await compare(peer, own, { format, threads, kind, count });
    peer?.kill();
    own.kill();
  }
}

/**
 * @param {import("node:child_process").ChildProcess | undefined} peer
 * @param {import("node:child_process").ChildProcess} own
 * @param {{ format: string, threads: number, kind: string, count: number }} what
 */
async function compare(peer, own, { format, threads, kind, count }) {
  const ratios = [];
  const best = { peer: 0, own: 0 };
  // One pair before the first counted one warms both.
  for (let round = 0; round <= rounds; round++) {
    const peerRate = peer ? await rateOf(peer, kind, count) : Number.NaN;
    const ownRate = await rateOf(own, kind, count);
    if (round === 0) continue;
    ratios.push(ownRate / peerRate);
    best.peer = Math.max(best.peer, peerRate);
    best.own = Math.max(best.own, ownRate);
  }
  const title = `${format} ${kind} ${count}, ${threads} thread${threads === 1 ? "" : "s"}`;
  console.log(
    peer
      ? `${title.padEnd(32)} ratios ${ratios.map((ratio) => ratio.toFixed(2)).join(" ")}  median ${median(ratios).toFixed(2)}  best rates ${best.own.toFixed(1)} : ${best.peer.toFixed(1)} tokens/s`
      : `${title.padEnd(32)} best rate ${best.own.toFixed(1)} tokens/s`,
  );
}

/**
 * Tokens per second of one case in a child.
 * @param {import("node:child_process").ChildProcess} child
 * @param {string} kind
 * @param {number} count
 */
async function rateOf(child, kind, count) {
  child.send({ kind, count });
  const [milliseconds] = await once(child, "message");
  return (1000 * count) / milliseconds;
}

/**
 * A child that has its model loaded.
 * @param {string} script
 * @param {string[]} args
 */
async function start(script, args) {
  const child = fork(fileURLToPath(new URL(`./bench/${script}`, import.meta.url)), args);
  child.once("exit", (code) => {
    if (code) process.exit(code);
  });
  await once(child, "message");
  return child;
}

/** The library's entry, installed on first use; undefined, with the reason told, where the registry has none. */
function installPeer() {
  const folder = join(root, "build", "peer");
  const entry = join(folder, "node_modules", "node-llama-cpp", "dist", "index.js");
  if (existsSync(entry)) return entry;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true }));
  try {
    // Its install script would look for a compiler; the prebuilt library is a package of its own.
    execFileSync(
      "npm",
      ["install", "--no-audit", "--no-fund", "--ignore-scripts", `node-llama-cpp@${version}`],
      {
        cwd: folder,
        stdio: ["ignore", "ignore", "inherit"],
      },
    );
    return entry;
  } catch (error) {
    console.error(
      `node-llama-cpp cannot be installed (${error instanceof Error ? error.message : error}); only accllm is measured.`,
    );
    return undefined;
  }
}
