// What a decoded token costs beside the kernel's own run: sampling, detokenizing, native calls, streaming.
//   node scripts/bench-overhead.mjs [image] [tokens] [threads]
// Without an image: TinyLlama-1.1B's shapes with random codes. The kernel's time is that between the start of a run
// and its end as the event loop sees it, so waking up after it counts as the kernel's.
import { importBuilt } from "./bench/built.mjs";
import { ensureImage } from "./bench/images.mjs";

const image = process.argv[2] || (await ensureImage({ shape: "tinyllama-1.1b", format: "w2" }));
const count = Number(process.argv[3] ?? 64);
const threads = Number(process.argv[4] ?? 1);
const { openLibrary } = await importBuilt("host/device/xrt/library.js");
const { emulatorLibraryPath } = await importBuilt("host/device/native.js");
const { XrtBuffer } = await importBuilt("host/device/xrt/buffer.js");
const { Sampler } = await importBuilt("host/sampling/sampler.js");
const { Detokenizer } = await importBuilt("host/text/detokenizer.js");
const { loadModel } = await importBuilt("host/engine/load.js");

/** @type {Record<string, number>} milliseconds by part */
const parts = {};
/** Bytes that crossed between host and device. */
let synced = 0;

/**
 * Adds the time of a method's calls to a part.
 * @param {any} owner
 * @param {string} method
 * @param {string} part
 */
function meter(owner, method, part) {
  const original = owner.prototype[method];
  /** @this {any} @param {any[]} args */
  owner.prototype[method] = function (...args) {
    const start = performance.now();
    const stop = () => {
      parts[part] = (parts[part] ?? 0) + performance.now() - start;
    };
    const result = original.apply(this, args);
    if (result instanceof Promise) return result.finally(stop);
    stop();
    return result;
  };
}

meter(XrtBuffer, "sync", "sync");
meter(Sampler, "sample", "sampling");
meter(Detokenizer, "push", "detokenizing");
const sync = XrtBuffer.prototype.sync;
/**
 * @this {any}
 * @param {string} direction
 * @param {number | undefined} bytes
 * @param {number | undefined} offset
 */
function countedSync(direction, bytes, offset) {
  synced += bytes ?? this.bytes;
  return sync.call(this, direction, bytes, offset);
}
XrtBuffer.prototype.sync = countedSync;

const { xrt } = openLibrary(emulatorLibraryPath());
const { xrtRunStart, xrtRunWaitFor } = xrt;
let since = 0;
xrt.xrtRunStart = (/** @type {bigint} */ run) => {
  since = performance.now();
  return xrtRunStart(run);
};
/** @param {bigint} run @param {number} limit */
function waitHere(run, limit) {
  const state = xrtRunWaitFor(run, limit);
  const now = performance.now();
  parts.kernel = (parts.kernel ?? 0) + now - since;
  since = now;
  return state;
}
xrt.xrtRunWaitFor = Object.assign(waitHere, {
  /** @type {(run: bigint, limit: number, done: (error: unknown, state: number) => void) => void} */
  async: (run, limit, done) =>
    xrtRunWaitFor.async(run, limit, (/** @type {unknown} */ error, /** @type {number} */ state) => {
      const now = performance.now();
      parts.kernel = (parts.kernel ?? 0) + now - since;
      since = now;
      done(error, state);
    }),
});

const model = await loadModel(image, { engine: "fast", threads });
const settings = {
  defaults: { seed: 1 },
  greedy: { temperature: 0 },
  "no filter": { seed: 1, topK: 0, topP: 1 },
  "top-k 0, top-p 0.95": { seed: 1, topK: 0, topP: 0.95 },
};
for await (const _ of model.generate("a", { maxTokens: 8, ignoreEos: true })) {
}
console.log(`${image}, ${count} tokens, ${threads} threads; microseconds a token, best of 3 rounds`);
for (const [name, options] of Object.entries(settings)) {
  let best = { share: Number.POSITIVE_INFINITY, text: "" };
  for (let round = 0; round < 3; round++) {
    let start = 0;
    let tokens = 0;
    for await (const event of model.generate("a", { ...options, maxTokens: count + 1, ignoreEos: true })) {
      JSON.stringify(event);
      // The first token is the prefill's.
      if (tokens++ > 0) continue;
      start = performance.now();
      // The next token is under way already.
      since = start;
      for (const part of Object.keys(parts)) parts[part] = 0;
      synced = 0;
    }
    const whole = performance.now() - start;
    const host = whole - (parts.kernel ?? 0);
    const share = host / whole;
    if (share >= best.share) continue;
    /** @param {number} time */
    const each = (time) => ((1000 * time) / count).toFixed(0).padStart(6);
    const details = Object.entries(parts)
      .filter(([part]) => part !== "kernel")
      .map(([part, time]) => `${part} ${each(time)}`);
    best = {
      share,
      text: `token ${each(whole)}  kernel ${each(parts.kernel ?? 0)}  all else ${each(host)} = ${(100 * share).toFixed(2)} %  (${details.join(", ")}; ${Math.round(synced / count)} bytes synced)`,
    };
  }
  console.log(`${name.padEnd(20)} ${best.text}`);
}
await model.close();
