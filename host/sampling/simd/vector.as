/**
 * Loops over a whole vocabulary, in AssemblyScript: scripts/generate-sampler.mjs compiles this file, with those that it
 * names, to module.ts. Scores are float32 or, with the repeat penalty, float64, which is `wide`. Pointers are bytes into the
 * module's memory, those of scores multiples of 16.
 */
import * as buckets from "./buckets";
import * as estimate from "./estimate";
import * as range from "./range";
import * as ranked from "./ranked";
import * as selection from "./selection";
import * as weights from "./weights";

export { idsIn } from "./buckets";
export { powersPointer } from "./steps";
export { rootsPointer } from "./weights";

/** The first byte behind the module's own data. */
export function firstFree(): usize {
  return __heap_base;
}

export function best(scores: usize, wide: bool, length: i32): i32 {
  return wide ? range.bestWide(scores, length) : range.bestNarrow(scores, length);
}

export function lowest(scores: usize, wide: bool, length: i32): f64 {
  return wide ? range.lowest<f64>(scores, length) : range.lowest<f32>(scores, length);
}

export function select(scores: usize, wide: bool, length: i32, count: i32, ids: usize): void {
  if (wide) selection.select<f64>(scores, length, count, ids);
  else selection.select<f32>(scores, length, count, ids);
}

export function addRange(
  start: f64,
  scores: usize,
  wide: bool,
  from: i32,
  to: i32,
  highest: f64,
  temperature: f64,
): f64 {
  return wide
    ? weights.addRange<f64>(start, scores, from, to, highest, temperature)
    : weights.addRange<f32>(start, scores, from, to, highest, temperature);
}

export function sumBlocks(
  scores: usize,
  wide: bool,
  length: i32,
  highest: f64,
  temperature: f64,
  sums: usize,
): f64 {
  return wide
    ? weights.sumBlocks<f64>(scores, length, highest, temperature, sums)
    : weights.sumBlocks<f32>(scores, length, highest, temperature, sums);
}

export function deal(
  scores: usize,
  wide: bool,
  length: i32,
  highest: f64,
  temperature: f64,
  top: f64,
  perScore: f64,
  least: f64,
  places: usize,
  masses: usize,
): f64 {
  return wide
    ? buckets.deal<f64>(scores, length, highest, temperature, top, perScore, least, places, masses)
    : buckets.deal<f32>(scores, length, highest, temperature, top, perScore, least, places, masses);
}

export function drawById(
  scores: usize,
  wide: bool,
  length: i32,
  highest: f64,
  temperature: f64,
  part: f64,
  blocks: usize,
): i32 {
  return wide
    ? estimate.drawById<f64>(scores, length, highest, temperature, part, blocks)
    : estimate.drawById<f32>(scores, length, highest, temperature, part, blocks);
}

export function drawByRank(
  scores: usize,
  wide: bool,
  length: i32,
  highest: f64,
  temperature: f64,
  share: f64,
  part: f64,
  ids: usize,
): i32 {
  return wide
    ? estimate.drawByRank<f64>(scores, length, highest, temperature, share, part, ids)
    : estimate.drawByRank<f32>(scores, length, highest, temperature, share, part, ids);
}

export function drawFirst(
  scores: usize,
  wide: bool,
  count: i32,
  highest: f64,
  temperature: f64,
  share: f64,
  least: f64,
  part: f64,
  ids: usize,
): i32 {
  return wide
    ? ranked.drawFirst<f64>(scores, count, highest, temperature, share, least, part, ids)
    : ranked.drawFirst<f32>(scores, count, highest, temperature, share, least, part, ids);
}
