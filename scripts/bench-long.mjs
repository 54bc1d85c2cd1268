// A long stream through sinks and window: time per token, memory and perplexity per tenth of the run.
//   node scripts/bench-long.mjs [tokens] [image] [sinks] [window] [threads]
// The text is 500 tokens of the model's own, again and again, so that every tenth is alike to a model that sees it
// through the window: rates, memory and perplexity have to stay flat. Without an image: build/bench/demo.accllm,
// made of the demo model on first use.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { cli, importBuilt, root } from "./bench/built.mjs";

const tokens = Number(process.argv[2] ?? 200_000);
const image = process.argv[3] || join(root, "build", "bench", "demo.accllm");
const sinks = Number(process.argv[4] ?? 4);
const window = Number(process.argv[5] ?? 252);
const threads = Number(process.argv[6] ?? 1);
const period = 500;

if (!existsSync(image)) {
  mkdirSync(join(root, "build", "bench"), { recursive: true });
  execFileSync(process.execPath, [cli, "quantize", join(root, "models", "demo"), "-o", image], {
    stdio: "inherit",
  });
}
const { openImage } = await importBuilt("quant/format/image.js");
const { openSession } = await importBuilt("host/engine/load.js");
const { Sampler } = await importBuilt("host/sampling/sampler.js");
const session = await openSession(await openImage(image), { engine: "fast", threads, sinks, window });

const sampler = new Sampler({ seed: 1 });
const text = [1];
let logits = await session.prefill(text);
while (text.length < period) {
  const { id } = sampler.sample(logits);
  text.push(id);
  logits = await session.decode(id);
}
session.reset();

/**
 * Loss of a token in nats.
 * @param {Float32Array} row
 * @param {number} id
 */
function loss(row, id) {
  let max = Number.NEGATIVE_INFINITY;
  for (const logit of row) max = Math.max(max, logit);
  let sum = 0;
  for (const logit of row) sum += Math.exp(logit - max);
  return max + Math.log(sum) - row[id];
}

console.log(`${image}: ${tokens} tokens, ${sinks} sinks, window ${window}, ${threads} threads`);
console.log("tenth   us/token  fastest 1 %  RSS MB  perplexity  last position");
const tenth = Math.floor(tokens / 10);
logits = await session.prefill([text[0]]);
for (let part = 1; part <= 10; part++) {
  let nll = 0;
  const times = new Float64Array(tenth);
  const start = performance.now();
  for (let i = 0; i < tenth; i++) {
    const id = text[session.position % period];
    nll += loss(logits, id);
    const before = performance.now();
    logits = await session.decode(id);
    times[i] = performance.now() - before;
  }
  const each = (1000 * (performance.now() - start)) / tenth;
  const fastest = 1000 * times.sort()[Math.floor(tenth / 100)];
  const megabytes = process.memoryUsage.rss() / 1e6;
  console.log(
    [
      String(part).padEnd(5),
      each.toFixed(1).padStart(9),
      fastest.toFixed(1).padStart(11),
      megabytes.toFixed(1).padStart(8),
      Math.exp(nll / tenth)
        .toFixed(3)
        .padStart(10),
      String(session.position - 1).padStart(13),
    ].join("  "),
  );
}
await session.close();
