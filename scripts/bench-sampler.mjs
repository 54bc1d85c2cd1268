// Time of one sample by settings and distribution:
//   node scripts/bench-sampler.mjs [vocabulary] [rounds]
import { importBuilt } from "./bench/built.mjs";

const vocabulary = Number(process.argv[2] ?? 128_256);
const rounds = Number(process.argv[3] ?? 9);
const { Sampler } = await importBuilt("host/sampling/sampler.js");

/**
 * Numbers in [0, 1), the same on every machine.
 * @param {number} seed
 */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const random = generator(1);
const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
const distributions = {
  "as a model's": Float32Array.from({ length: vocabulary }, () => 3 * normal()),
  flat: Float32Array.from({ length: vocabulary }, () => 0.01 * random()),
  rising: Float32Array.from({ length: vocabulary }, (_, id) => id / vocabulary),
  equal: new Float32Array(vocabulary).fill(1),
};
const off = { temperature: 1, topK: 0, topP: 1, minP: 0, repeatPenalty: 1, seed: 1 };
const settings = {
  greedy: { ...off, temperature: 0 },
  "defaults (top-k 40, top-p 0.95)": { seed: 1 },
  "repeat penalty": { seed: 1, repeatPenalty: 1.1 },
  "no filter": off,
  "top-k 0, top-p 0.95": { ...off, topP: 0.95 },
  "min-p 0.05": { ...off, minP: 0.05 },
  "defaults with 5 logprobs": { seed: 1, logprobs: 5 },
};
console.log(`vocabulary ${vocabulary}, best of ${rounds} rounds, milliseconds a sample`);
for (const [name, options] of Object.entries(settings)) {
  const cells = [];
  for (const [kind, logits] of Object.entries(distributions)) {
    const sampler = new Sampler(options);
    let best = Number.POSITIVE_INFINITY;
    for (let round = 0; round < rounds; round++) {
      const start = performance.now();
      sampler.sample(logits);
      best = Math.min(best, performance.now() - start);
    }
    cells.push(`${kind} ${best.toFixed(2)}`);
  }
  console.log(`${name.padEnd(32)} ${cells.join("   ")}`);
}
