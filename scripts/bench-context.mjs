// What A8, KV4 and the attention window cost far past the trained context: the loss of an image, exact integer numbers
// on the emulator, and of the float model with the same sinks and window, over long texts without a reset:
//   node scripts/bench-context.mjs CHECKPOINT IMAGE TEXT [--windows 9] [--texts 4] [--tokenizer FILE]
// TEXT is cut into so many texts one after the other, each as long as so many trained contexts. A row a context:
// perplexity of both, their ratio, and the standard error of the ratio by the differences token by token. Both see
// the same tokens at the same positions, so what is left is quantization.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { importBuilt } from "./bench/built.mjs";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    windows: { type: "string", default: "9" },
    texts: { type: "string", default: "4" },
    tokenizer: { type: "string" },
  },
});
const [checkpointPath = "", imagePath = "", textPath = ""] = positionals;
const { FloatModel } = await importBuilt("quant/eval/float-model.js");
const { tokenLoss } = await importBuilt("quant/eval/perplexity.js");
const { openCheckpoint } = await importBuilt("quant/io/checkpoint.js");
const { openImage } = await importBuilt("quant/format/image.js");
const { imageTokenizer, openSession } = await importBuilt("host/engine/load.js");
const { sessionLogits } = await importBuilt("host/engine/logits-source.js");

const image = await openImage(imagePath);
const { kv, model: config } = image.header;
const trained = config.maxPositions;
const windows = Number(values.windows);
const tokenizer = await imageTokenizer(image);
const all = tokenizer.encode(readFileSync(textPath, "utf8"));
const length = trained * windows;
const texts = Array.from({ length: Number(values.texts) }, (_, i) => [
  tokenizer.bosId,
  ...all.slice(i * length, (i + 1) * length),
]).filter((ids) => ids.length === length + 1);
const session = await openSession(image, { engine: "fast" });
const checkpoint = await openCheckpoint(
  checkpointPath,
  values.tokenizer === undefined ? {} : { tokenizer: values.tokenizer },
);
const float = await FloatModel.load(checkpoint, {
  attention: { kind: "lambda", sinks: kv.sinks, window: kv.window },
});

/**
 * Loss of every token.
 * @param {{ reset(): void | Promise<void>, logits(ids: readonly number[]): AsyncIterable<Float32Array> }} source
 * @param {readonly number[]} ids
 */
async function lossesOf(source, ids) {
  await source.reset();
  const losses = [];
  for await (const logits of source.logits(ids.slice(0, -1))) {
    losses.push(tokenLoss(logits, ids[losses.length + 1]));
  }
  return losses;
}

/** @type {number[][]} */
const exact = [];
/** @type {number[][]} */
const found = [];
for (const [i, ids] of texts.entries()) {
  exact.push(await lossesOf(float, ids));
  found.push(await lossesOf(sessionLogits(session), ids));
  console.error(`text ${i + 1} of ${texts.length}`);
}
console.log(`${imagePath}: ${kv.sinks} sinks, window ${kv.window}, trained on ${trained} positions`);
console.log(`${texts.length} texts of ${length} tokens`);
console.log("positions         float   image   ratio");
for (let window = 0; window < windows; window++) {
  row(`${window * trained}..${(window + 1) * trained - 1}`, window * trained, (window + 1) * trained);
}
row("all", 0, length);

/**
 * @param {string} name
 * @param {number} begin
 * @param {number} end positions of every text
 */
function row(name, begin, end) {
  const before = exact.flatMap((losses) => losses.slice(begin, end));
  const after = found.flatMap((losses) => losses.slice(begin, end));
  const differences = after.map((loss, i) => loss - (before[i] ?? Number.NaN));
  const lost = mean(differences);
  const deviation = Math.sqrt(mean(differences.map((x) => (x - lost) ** 2)) / differences.length);
  const [float, image] = [before, after].map((losses) => Math.exp(mean(losses)).toFixed(3).padStart(7));
  console.log(
    `${name.padEnd(15)} ${float} ${image}  ${Math.exp(lost).toFixed(4)} +- ${deviation.toFixed(4)}`,
  );
}

/** @param {readonly number[]} values */
function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

await session.close();
await image.close();
await checkpoint.close();
