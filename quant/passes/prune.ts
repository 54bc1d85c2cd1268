import { keepPatterns } from "../format/weight-layout.ts";

/** Index in keepPatterns of the pair (first, second), at 4 * first + second. */
const patternOf = new Uint8Array(16);
for (const [index, [first, second]] of keepPatterns.entries()) patternOf[4 * first + second] = index;

/**
 * Magnitude pruning to 2:4: of every four consecutive inputs the two largest magnitudes are kept, the one further
 * ahead where they are equal. A row that is not a multiple of four long is continued with zeros.
 * @param values one row of `columns` weights, from `start`.
 * @param patterns receives the index into keepPatterns of every four, from `out`.
 */
export function pruneRow(
  values: Float32Array,
  start: number,
  columns: number,
  patterns: Uint8Array,
  out: number,
): void {
  for (let i = 0; i < columns; i += 4) {
    const at = start + i;
    const left = columns - i;
    const a = Math.abs(values[at]!);
    const b = left > 1 ? Math.abs(values[at + 1]!) : 0;
    const c = left > 2 ? Math.abs(values[at + 2]!) : 0;
    const d = left > 3 ? Math.abs(values[at + 3]!) : 0;
    // A weight is kept if at most one other beats it; equal ones ahead of it do.
    const aBeaten = Number(b > a) + Number(c > a) + Number(d > a);
    const bBeaten = Number(a >= b) + Number(c > b) + Number(d > b);
    const cBeaten = Number(a >= c) + Number(b >= c) + Number(d > c);
    const first = aBeaten < 2 ? 0 : bBeaten < 2 ? 1 : 2;
    const second = first < 1 && bBeaten < 2 ? 1 : first < 2 && cBeaten < 2 ? 2 : 3;
    patterns[out + (i >> 2)] = patternOf[4 * first + second]!;
  }
}

/** Whether every four consecutive inputs of a row have at most two weights that are not zero. */
export function isTwoOfFour(values: Float32Array, start: number, columns: number): boolean {
  for (let i = 0; i < columns; i += 4) {
    let used = 0;
    for (let k = i; k < Math.min(i + 4, columns); k++) if (values[start + k] !== 0) used++;
    if (used > 2) return false;
  }
  return true;
}
