import { type RopeConfig, ropeFrequencies } from "../format/rope.ts";

/** Rotates heads by their position: element i of a head turns with element i + headDim/2. */
export class Rotary {
  readonly #frequencies: Float64Array;
  /** Per position: cosine and sine of each pair, interleaved. */
  readonly #tables: Float64Array[] = [];

  constructor(config: RopeConfig) {
    this.#frequencies = ropeFrequencies(config);
  }

  /** Rotates the head of headDim elements from `start` of `x` to `position`, into `out` from `outStart`. */
  rotate(x: Float32Array, start: number, position: number, out: Float32Array, outStart: number): void {
    const table = this.#tableOf(position);
    const half = this.#frequencies.length;
    for (let i = 0; i < half; i++) {
      const cos = table[2 * i]!;
      const sin = table[2 * i + 1]!;
      const a = x[start + i]!;
      const b = x[start + half + i]!;
      out[outStart + i] = a * cos - b * sin;
      out[outStart + half + i] = a * sin + b * cos;
    }
  }

  #tableOf(position: number): Float64Array {
    const known = this.#tables[position];
    if (known !== undefined) return known;
    const table = new Float64Array(2 * this.#frequencies.length);
    for (const [i, frequency] of this.#frequencies.entries()) {
      table[2 * i] = Math.cos(position * frequency);
      table[2 * i + 1] = Math.sin(position * frequency);
    }
    this.#tables[position] = table;
    return table;
  }
}
