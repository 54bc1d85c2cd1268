// accllm's emulator, measured on request in the same way as the peer: greedy, one token after the other.
import { importBuilt } from "./built.mjs";

const [image, threads] = process.argv.slice(2);
const { openImage } = await importBuilt("quant/format/image.js");
const { openSession } = await importBuilt("host/engine/load.js");
const { Sampler } = await importBuilt("host/sampling/sampler.js");
const opened = await openImage(image);
const session = await openSession(opened, { engine: "fast", threads: Number(threads) });
const sampler = new Sampler({ temperature: 0 });

/** @param {number} count */
const tokens = (count) => Array.from({ length: count }, (_, i) => 300 + ((i * 7919) % 31_000));

const cases = {
  /** @param {number} count */
  async prefill(count) {
    session.reset();
    const start = performance.now();
    await session.prefill(tokens(count));
    return performance.now() - start;
  },
  /** @param {number} count */
  async decode(count) {
    session.reset();
    await session.prefill(tokens(1));
    let logits = await session.decode(301);
    const start = performance.now();
    for (let i = 0; i < count; i++) logits = await session.decode(sampler.sample(logits).id);
    return performance.now() - start;
  },
};
process.on("message", async (/** @type {{ kind: keyof typeof cases, count: number }} */ { kind, count }) =>
  process.send?.(await cases[kind](count)),
);
process.send?.("ready");
