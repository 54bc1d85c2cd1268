// Writes an image of a model's shapes with random codes, for measurements:
//   node scripts/bench-image.mjs tinyllama-1.1b w2 build/bench/tinyllama-w2.accllm [window]
import { importBuilt } from "./bench/built.mjs";
import { ensureImage } from "./bench/images.mjs";

const [shape = "tinyllama-1.1b", format = "w2", target, window = "2044"] = process.argv.slice(2);
const { benchShapes } = await importBuilt("host/bench/shapes.js");
if (!Object.hasOwn(benchShapes, shape)) {
  console.error(`There are no shapes "${shape}"; known are ${Object.keys(benchShapes).join(", ")}.`);
  process.exit(2);
}
console.log(await ensureImage({ shape, format, target, window: Number(window) }));
