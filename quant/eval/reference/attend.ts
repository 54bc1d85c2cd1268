import { slotOf } from "../../format/kv-layout.ts";
import { kvBlockSlots } from "../../format/limits.ts";
import { exp24 } from "./exp24.ts";
import { exponent, fl, powerOfTwo, rne } from "./fround.ts";
import { hadamard, hadamardBlock } from "./hadamard.ts";
import { type KvHead, type KvSlots, slotScale } from "./kv-cache.ts";
import { type Quantized, quantize8, quantize16 } from "./quantize.ts";
import { type DistanceTable, type Rotation, rope } from "./rope.ts";

/** What attention of one token needs besides queries and cache. */
export interface AttendContext {
  readonly position: number;
  readonly sinks: number;
  readonly window: number;
  readonly ring: number;
  /** h of the Hadamard rotation; 1 without it. */
  readonly block: number;
  /** At the true position, and at min(position, sinks + window - 1). */
  readonly rotation: Rotation;
  readonly sinkRotation: Rotation;
  readonly distances: DistanceTable;
}

/** A key that a token attends to. */
export interface AttendedKey {
  readonly slot: number;
  readonly sink: boolean;
  /** Positions from the key to the query that it meets. */
  readonly distance: number;
}

/** Position of the query that meets the sinks: where StreamingLLM's cache would put the current token. */
export function sinkQueryPosition(position: number, sinks: number, window: number): number {
  return Math.min(position, sinks + window - 1);
}

/** The attended keys of a position: the sinks, then the window, which counts the current token. */
export function attendedKeys(position: number, sinks: number, window: number, ring: number): AttendedKey[] {
  const keys: AttendedKey[] = [];
  const sinkQuery = sinkQueryPosition(position, sinks, window);
  for (let j = 0; j < Math.min(sinks, position + 1); j++) {
    keys.push({ slot: slotOf(j, sinks, ring), sink: true, distance: sinkQuery - j });
  }
  for (let j = Math.max(sinks, position - window + 1); j <= position; j++) {
    keys.push({ slot: slotOf(j, sinks, ring), sink: false, distance: position - j });
  }
  return keys;
}

/**
 * docs/numerics.md, "attend" for one query head, steps 1 to 8.
 * @param q the head's query, headDim elements, not rotated.
 * @param mean key mean mu of the kv head; undefined where keys are not centred.
 */
export function attendHead(
  q: Float32Array,
  head: KvHead,
  mean: Float32Array | undefined,
  context: AttendContext,
): { values: Float32Array; finite: boolean } {
  const { position, sinks, window, ring, block } = context;
  const keys = attendedKeys(position, sinks, window, ring);
  const { scores, finite } = keyScores(q, head.keys, mean, keys, context);
  let largest = Number.NEGATIVE_INFINITY;
  for (const score of scores) if (score > largest) largest = score;
  const probabilities = keys.map((_, j) => exp24(fl(scores[j]! - largest)));
  const mixed = mixValues(probabilities, keys, head.values, q.length);
  const values = hadamard(mixed, block).map((o) => fl(o / block));
  return { values, finite };
}

/** Steps 1 to 3. */
function keyScores(
  q: Float32Array,
  slots: KvSlots,
  mean: Float32Array | undefined,
  keys: readonly AttendedKey[],
  context: AttendContext,
): { scores: Float32Array; finite: boolean } {
  const D = q.length;
  const recent = integerQuery(rope(q, context.rotation), context.block);
  const sink = integerQuery(rope(q, context.sinkRotation), context.block);
  const means = mean && quantize16(meanTerms(q, mean));
  const scoreScale = fl(1 / (Math.sqrt(D) * context.block));
  const meanScale = fl(1 / (32767 * Math.sqrt(D)));
  const scores = Float32Array.from(keys, (key) => {
    const query = key.sink ? sink : recent;
    const { scale, minimum } = slotScale(slots, key.slot);
    let I = 0;
    for (let i = 0; i < D; i++) I += query.codes[i]! * slots.codes[key.slot * D + i]!;
    const t = fl(fl(fl(I) * scale) + fl(fl(query.sum) * minimum));
    const score = fl(t * fl(query.scale * scoreScale));
    if (!means) return score;
    const C = meanScore(means.codes, context.distances, key.distance);
    return fl(score + fl(fl(C) * fl(means.scale * meanScale)));
  });
  return { scores, finite: recent.finite && sink.finite && (means?.finite ?? true) };
}

function integerQuery(rotated: Float32Array, block: number): Quantized<Int8Array> & { sum: number } {
  const query = quantize8(hadamard(rotated, block));
  return { ...query, sum: query.codes.reduce((sum, code) => sum + code, 0) };
}

/** (alpha, beta) of step 2. */
function meanTerms(q: Float32Array, mean: Float32Array): Float32Array {
  const half = q.length / 2;
  const out = new Float32Array(q.length);
  for (let i = 0; i < half; i++) {
    const j = i + half;
    out[i] = fl(fl(q[i]! * mean[i]!) + fl(q[j]! * mean[j]!));
    out[j] = fl(fl(q[i]! * mean[j]!) - fl(q[j]! * mean[i]!));
  }
  return out;
}

/** C(d). */
function meanScore(terms: Int16Array, { cos, sin }: DistanceTable, distance: number): number {
  const half = terms.length / 2;
  let C = 0;
  for (let i = 0; i < half; i++) {
    C += terms[i]! * cos[distance * half + i]! + terms[i + half]! * sin[distance * half + i]!;
  }
  return C;
}

/** Steps 4 (Z) to 7. */
function mixValues(
  probabilities: readonly number[],
  keys: readonly AttendedKey[],
  slots: KvSlots,
  D: number,
): Float32Array {
  const Z = probabilities.reduce((sum, P) => sum + P, 0);
  const scaled = keys.map((key, j) => slotScaled(probabilities[j]!, slots, key.slot));
  const codes = sumCodes(scaled, keys, slots.codes, D);
  const minima = sumMinima(scaled.map(({ t }) => t));
  const r = fl(1 / fl(Z));
  return Float32Array.from(codes.acc, (acc) =>
    fl(fl(fl(fl(acc) * powerOfTwo(codes.E - 31)) + fl(fl(minima.S) * powerOfTwo(minima.F - 24))) * r),
  );
}

function slotScaled(P: number, slots: KvSlots, slot: number): { w: number; t: number } {
  const { scale, minimum } = slotScale(slots, slot);
  return { w: fl(P * scale), t: fl(P * minimum) };
}

/** Step 5: 8-bit weights with one exponent a block of sixteen slots. */
function sumCodes(
  scaled: readonly { w: number }[],
  keys: readonly AttendedKey[],
  codes: Uint8Array,
  D: number,
): { acc: Float64Array; E: number } {
  const exponents = new Map<number, number>();
  keys.forEach(({ slot }, j) => {
    const { w } = scaled[j]!;
    if (!(w > 0)) return;
    const b = Math.floor(slot / kvBlockSlots);
    exponents.set(b, Math.max(exponents.get(b) ?? Number.NEGATIVE_INFINITY, exponent(w)));
  });
  const acc = new Float64Array(D);
  if (exponents.size === 0) return { acc, E: 0 };
  const E = Math.max(...exponents.values());
  keys.forEach(({ slot }, j) => {
    const { w } = scaled[j]!;
    if (!(w > 0)) return;
    const E_b = exponents.get(Math.floor(slot / kvBlockSlots))!;
    if (E - E_b > 24) return;
    const u = Math.min(255, rne(w * powerOfTwo(7 - E_b))) * powerOfTwo(24 - (E - E_b));
    for (let i = 0; i < D; i++) acc[i]! += u * codes[slot * D + i]!;
  });
  return { acc, E };
}

/** Step 6. */
function sumMinima(t: readonly number[]): { S: number; F: number } {
  const exponents = t.filter((value) => value !== 0).map(exponent);
  const F = exponents.length === 0 ? 0 : exponents.reduce((a, b) => Math.max(a, b));
  return { S: t.reduce((sum, value) => sum + rne(value * powerOfTwo(24 - F)), 0), F };
}

/** Flag `hadamard` as a block size. */
export function attentionBlock(headDim: number, rotated: boolean): number {
  return rotated ? hadamardBlock(headDim) : 1;
}
