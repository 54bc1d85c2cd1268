// llama.cpp as node-llama-cpp brings it, measured on request: a prompt, or decode after a prompt of one token.
import { pathToFileURL } from "node:url";

const [library, modelPath, threads] = process.argv.slice(2);
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(library).href);
const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath });
const context = await model.createContext({ contextSize: 1024, batchSize: 512, threads: Number(threads) });
const sequence = context.getSequence();

/** @param {number} count */
const tokens = (count) => Array.from({ length: count }, (_, i) => 300 + ((i * 7919) % 31_000));

const cases = {
  /** @param {number} count */
  async prefill(count) {
    await sequence.clearHistory();
    const start = performance.now();
    await sequence.evaluateWithoutGeneratingNewTokens(tokens(count));
    return performance.now() - start;
  },
  /** @param {number} count */
  async decode(count) {
    await sequence.clearHistory();
    await sequence.evaluateWithoutGeneratingNewTokens(tokens(1));
    const generated = sequence.evaluate([301], { temperature: 0 });
    await generated.next();
    const start = performance.now();
    for (let i = 0; i < count; i++) await generated.next();
    const time = performance.now() - start;
    await generated.return(undefined);
    return time;
  },
};
process.on("message", async (/** @type {{ kind: keyof typeof cases, count: number }} */ { kind, count }) =>
  process.send?.(await cases[kind](count)),
);
process.send?.("ready");
