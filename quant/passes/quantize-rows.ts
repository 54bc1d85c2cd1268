import { groupSize } from "../format/limits.ts";
import { keepPatterns, type MatrixLayout, weightFormats } from "../format/weight-layout.ts";
import type { QuantizedRows } from "../format/weight-pack.ts";
import { findExactGrid } from "./exact-grid.ts";
import { type GroupGrid, gridKind } from "./grid.ts";
import { pruneRow } from "./prune.ts";
import { type RoundedRow, roundScales, scaleUnit } from "./round.ts";
import { TwoBitSearch } from "./search-two-bit.ts";
import { WideSearch } from "./search-wide.ts";

/** Sums over the rows that a {@link RowQuantizer} has done. */
export interface QuantizationError {
  /** Sum of squared differences between the weights and what is stored. */
  squaredError: number;
  /** Sum of squared weights. */
  energy: number;
  /** Rows with a scale so far below the row's largest that it was rounded to less than float16's eleven bits. */
  roundedRows: number;
}

/**
 * Rounds rows of one matrix to nearest: prunes (2:4), finds each group's grid (the exact one where the weights lie
 * on one, else the least-squares one), stores the scales as integers under the row's exponent (of eight bits where
 * two-bit weights have none that must stay as it is), and then chooses the codes for the scales as stored.
 */
export class RowQuantizer {
  readonly layout: MatrixLayout;
  readonly error: QuantizationError = { squaredError: 0, energy: 0, roundedRows: 0 };
  readonly #search: TwoBitSearch | WideSearch;
  readonly #scales: Float64Array;
  readonly #group = new Float64Array(groupSize);
  readonly #grid: GroupGrid = { scale: 0, zeroHalf: 0 };
  readonly #rounded: RoundedRow = { exponent: 0, lostBits: false };

  constructor(layout: MatrixLayout) {
    this.layout = layout;
    const kind = gridKind(layout.format);
    this.#search = kind.maxCode === 3 ? new TwoBitSearch(kind) : new WideSearch(kind);
    this.#scales = new Float64Array(layout.groups);
  }

  /**
   * Quantizes rows 0 .. out.rows - 1 of `values` ([rows][columns], finite).
   * @param out its padding codes and patterns stay as they are, zero.
   * @returns the first row with a weight that is not finite or too large for the format's scales, or -1.
   */
  quantize(values: Float32Array, out: QuantizedRows): number {
    for (let r = 0; r < out.rows; r++) {
      if (out.patterns) {
        pruneRow(values, r * this.layout.columns, this.layout.columns, out.patterns, r * out.groups * quads);
      }
      const chosen = this.#chooseGrids(values, r, out);
      const unit = chosen ? scaleUnit(this.layout.format) : 1;
      if (!roundScales(this.#scales, out.groups, out.scales, r * out.groups, unit, this.#rounded)) return r;
      out.exponents[r] = this.#rounded.exponent;
      if (this.#rounded.lostBits) this.error.roundedRows++;
      if (out.patterns) this.#encodeSparse(values, r, out, out.patterns);
      else this.#encodeDense(values, r, out);
      if (!Number.isFinite(this.error.energy)) return r;
    }
    return -1;
  }

  /** @returns whether all grids of the row are least-squares ones, whose scales may be rounded. */
  #chooseGrids(values: Float32Array, r: number, out: QuantizedRows): boolean {
    const { columns, format } = this.layout;
    let chosen = true;
    const kind = gridKind(format);
    const grid = this.#grid;
    for (let g = 0; g < out.groups; g++) {
      const first = g * groupSize;
      const length = Math.min(groupSize, columns - first);
      const start = r * columns + first;
      const count = out.patterns
        ? this.#gatherKept(values, start, length, out.patterns, (r * out.groups + g) * quads)
        : this.#gather(values, start, length);
      if (!findExactGrid(this.#group, count, kind, grid)) this.#search.search(this.#group, count, grid);
      else if (grid.scale !== 0) chosen = false;
      this.#scales[g] = grid.scale;
      out.zeroHalves[r * out.groups + g] = grid.zeroHalf;
    }
    return chosen;
  }

  #gather(values: Float32Array, start: number, length: number): number {
    const group = this.#group;
    for (let i = 0; i < length; i++) group[i] = values[start + i]!;
    return length;
  }

  #gatherKept(values: Float32Array, start: number, length: number, patterns: Uint8Array, at: number): number {
    const group = this.#group;
    let count = 0;
    for (let q = 0; 4 * q < length; q++) {
      const [first, second] = keepPatterns[patterns[at + q]!]!;
      group[count++] = values[start + 4 * q + first]!;
      // In a row's last, incomplete four the second may be padding, which takes part in nothing.
      if (4 * q + second < length) group[count++] = values[start + 4 * q + second]!;
    }
    return count;
  }

  #encodeDense(values: Float32Array, r: number, out: QuantizedRows): void {
    const { columns, format } = this.layout;
    const { codes, scales, zeroHalves } = out;
    const maxCode = 2 ** weightFormats[format].bits - 1;
    const power = 2 ** this.#rounded.exponent;
    let error = 0;
    let energy = 0;
    for (let g = 0; g < out.groups; g++) {
      const scale = scales[r * out.groups + g]! * power;
      const zero = zeroHalves[r * out.groups + g]! / 2;
      const inverse = scale === 0 ? 0 : 1 / scale;
      const first = g * groupSize;
      const length = Math.min(groupSize, columns - first);
      const from = r * columns + first;
      const to = (r * out.groups + g) * groupSize;
      for (let i = 0; i < length; i++) {
        const v = values[from + i]!;
        let code = Math.floor(v * inverse + zero + 0.5);
        if (code < 0) code = 0;
        else if (code > maxCode) code = maxCode;
        codes[to + i] = code;
        const d = v - scale * (code - zero);
        error += d * d;
        energy += v * v;
      }
    }
    this.error.squaredError += error;
    this.error.energy += energy;
  }

  #encodeSparse(values: Float32Array, r: number, out: QuantizedRows, patterns: Uint8Array): void {
    const { columns } = this.layout;
    const { codes, scales, zeroHalves } = out;
    const power = 2 ** this.#rounded.exponent;
    let error = 0;
    let energy = 0;
    for (let g = 0; g < out.groups; g++) {
      const scale = scales[r * out.groups + g]! * power;
      const zero = zeroHalves[r * out.groups + g]! / 2;
      const inverse = scale === 0 ? 0 : 1 / scale;
      const first = g * groupSize;
      const length = Math.min(groupSize, columns - first);
      const from = r * columns + first;
      const to = (r * out.groups + g) * groupSize;
      const quad = (r * out.groups + g) * quads;
      for (let i = 0; i < length; i++) {
        const v = values[from + i]!;
        energy += v * v;
        const [one, two] = keepPatterns[patterns[quad + (i >> 2)]!]!;
        if ((i & 3) !== one && (i & 3) !== two) {
          codes[to + i] = 0;
          error += v * v;
          continue;
        }
        let code = Math.floor(v * inverse + zero + 0.5);
        if (code < 0) code = 0;
        else if (code > 3) code = 3;
        codes[to + i] = code;
        const d = v - scale * (code - zero);
        error += d * d;
      }
    }
    this.error.squaredError += error;
    this.error.energy += energy;
  }
}

const quads = groupSize / 4;
