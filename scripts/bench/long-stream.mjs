// The stream of bench-long.mjs, in a process of its own: every message is a number of tokens to run, every answer
// what they took. Arguments: image, sinks, window, threads.
import process from "node:process";
import { importBuilt } from "./built.mjs";

const [image = "", sinks, window, threads] = process.argv.slice(2);
const period = 500;
const { openImage } = await importBuilt("quant/format/image.js");
const { tokenLoss } = await importBuilt("quant/eval/perplexity.js");
const { openSession } = await importBuilt("host/engine/load.js");
const { Sampler } = await importBuilt("host/sampling/sampler.js");
const session = await openSession(await openImage(image), {
  engine: "fast",
  threads: Number(threads),
  sinks: Number(sinks),
  window: Number(window),
});

const sampler = new Sampler({ seed: 1 });
const text = [1];
let logits = await session.prefill(text);
while (text.length < period) {
  const { id } = sampler.sample(logits);
  text.push(id);
  logits = await session.decode(id);
}
session.reset();
logits = await session.prefill([text[0]]);

/** @param {number} tokens */
async function run(tokens) {
  let nll = 0;
  let ms = 0;
  for (let i = 0; i < tokens; i++) {
    const id = text[session.position % period];
    nll += tokenLoss(logits, id);
    const start = performance.now();
    logits = await session.decode(id);
    ms += performance.now() - start;
  }
  process.send?.({ ms, nll, rss: process.memoryUsage.rss(), last: session.position - 1 });
}

process.on("message", run);
