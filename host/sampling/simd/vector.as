/**
 * Loops over a whole vocabulary, in AssemblyScript: scripts/generate-sampler.mjs compiles this file, with those that it
 * names, to module.ts. Scores are float32 or, with the repeat penalty, float64, which is `wide`. Pointers are bytes into the
 * module's memory, those of scores multiples of 16.
 */
export { best, lowest } from "./range";
export { select } from "./selection";
export { addRange, rootsPointer, sumBlocks } from "./weights";
export { deal, idsIn } from "./buckets";
