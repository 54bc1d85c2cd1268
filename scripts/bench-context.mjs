// What A8, KV4 and the attention window cost far past the trained context: the loss of an image, exact integer numbers
// on the emulator, and of the float model with the same sinks and window, over one long text without a reset:
//   node scripts/bench-context.mjs CHECKPOINT IMAGE TEXT [windows: 9] [trained context: the model's]
// A row a trained context: perplexity of both and their ratio. For the ratio of one row to mean anything both see the
// same tokens at the same positions.
import { readFileSync } from "node:fs";
import { importBuilt } from "./bench/built.mjs";

const [checkpointPath = "", imagePath = "", textPath = "", windows = "9", context = ""] =
  process.argv.slice(2);
const { FloatModel } = await importBuilt("quant/eval/float-model.js");
const { tokenLoss } = await importBuilt("quant/eval/perplexity.js");
const { openCheckpoint } = await importBuilt("quant/io/checkpoint.js");
const { openImage } = await importBuilt("quant/format/image.js");
const { imageTokenizer, openSession } = await importBuilt("host/engine/load.js");
const { sessionLogits } = await importBuilt("host/engine/logits-source.js");

const image = await openImage(imagePath);
const { kv, model: config } = image.header;
const trained = Number(context || config.maxPositions);
const tokenizer = await imageTokenizer(image);
const count = trained * Number(windows);
const ids = [tokenizer.bosId, ...tokenizer.encode(readFileSync(textPath, "utf8"))].slice(0, count + 1);
const session = await openSession(image, { engine: "fast" });
// A checkpoint that has a tokenizer of its own needs none; one that has not is only asked for its weights.
const checkpoint = await openCheckpoint(checkpointPath, {});
const float = await FloatModel.load(checkpoint, {
  attention: { kind: "lambda", sinks: kv.sinks, window: kv.window },
});

/**
 * Mean loss in every stretch of `trained` tokens.
 * @param {{ logits(ids: readonly number[]): AsyncIterable<Float32Array> }} source
 */
async function lossesOf(source) {
  const sums = new Array(Number(windows)).fill(0);
  let position = 0;
  for await (const logits of source.logits(ids.slice(0, -1))) {
    sums[Math.floor(position / trained)] += tokenLoss(logits, ids[position + 1]);
    position++;
  }
  return sums.map((sum) => sum / trained);
}

const exact = await lossesOf(float);
const found = await lossesOf(sessionLogits(session));
console.log(`${imagePath}: ${kv.sinks} sinks, window ${kv.window}, trained on ${trained} positions`);
console.log("positions          float  image   ratio");
for (const [i, loss] of exact.entries()) {
  const range = `${i * trained}..${(i + 1) * trained - 1}`.padEnd(17);
  const values = [Math.exp(loss), Math.exp(found[i] ?? Number.NaN)].map((x) => x.toFixed(3).padStart(6));
  console.log(`${range} ${values.join(" ")}  ${Math.exp((found[i] ?? Number.NaN) - loss).toFixed(4)}`);
}
/** @param {readonly number[]} losses */
const mean = (losses) => losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
console.log(`all: ratio ${Math.exp(mean(found) - mean(exact)).toFixed(4)}`);
await session.close();
await image.close();
await checkpoint.close();
