import { describe, expect, it } from "vitest";
import {
  keepPatterns,
  matrixLayout,
  type WeightFormat,
  weightFormats,
} from "../../../../quant/format/weight-layout.ts";
import { emptyRows, type QuantizedRows } from "../../../../quant/format/weight-pack.ts";
import { RowQuantizer } from "../../../../quant/passes/quantize-rows.ts";

const formats = Object.keys(weightFormats) as WeightFormat[];

function quantize(format: WeightFormat, values: Float32Array, rows: number) {
  const columns = values.length / rows;
  const layout = matrixLayout(format, rows, columns, 2);
  const quantizer = new RowQuantizer(layout);
  const out = emptyRows(layout, rows);
  const refused = quantizer.quantize(values, out);
  return { out, refused, columns, error: quantizer.error };
}

/** The weights that the rows stand for, straight from docs/numerics.md. */
function stored(out: QuantizedRows, columns: number): Float64Array {
  const values = new Float64Array(out.rows * columns);
  for (let i = 0; i < values.length; i++) {
    const row = Math.floor(i / columns);
    const column = i % columns;
    const group = row * out.groups + Math.floor(column / 64);
    const at = group * 64 + (column % 64);
    const keep: readonly number[] = out.patterns ? keepPatterns[out.patterns[at >> 2]!]! : [0, 1, 2, 3];
    if (!keep.includes(column % 4)) continue;
    values[i] = out.scales[group]! * 2 ** out.exponents[row]! * (out.codes[at]! - out.zeroHalves[group]! / 2);
  }
  return values;
}

/** Normally distributed, the same every time. */
function normal(count: number, seed = 1): Float32Array {
  let state = seed;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return Float32Array.from({ length: count }, () => {
    return 0.02 * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  });
}

describe("RowQuantizer", () => {
  it("chooses two-bit scales of eight bits, but for rows in which a group lies on a grid of its own", () => {
    const columns = 192;
    const values = normal(2 * columns);
    // The second row's first group: whole multiples of a scale that needs eleven bits.
    for (let i = 0; i < 64; i++) values[columns + i] = 1031 * 2 ** -17 * ((i % 4) - 1);
    for (const format of ["w2", "w2s24"] as const) {
      const { out } = quantize(format, values, 2);
      const rests = Array.from(out.scales, (scale) => scale % 256);
      expect(rests.slice(0, 3)).toEqual([0, 0, 0]);
      expect(rests.slice(3).some((rest) => rest !== 0)).toBe(true);
      const back = stored(out, columns);
      if (format === "w2")
        expect(back.subarray(columns, columns + 64)).toEqual(
          Float64Array.from(values.subarray(columns, columns + 64)),
        );
    }
    expect(quantize("w4", values, 2).out.scales.some((scale) => scale % 256 !== 0)).toBe(true);
  });

  for (const format of formats) {
    for (const columns of [4, 64, 105, 172, 192]) {
      it(`counts the error of what it stores, and leaves padding at zero (${format}, ${columns} columns)`, () => {
        const values = normal(5 * columns);
        const { out, refused, error } = quantize(format, values, 5);
        expect(refused).toBe(-1);
        const back = stored(out, columns);
        let squaredError = 0;
        for (const [i, v] of values.entries()) squaredError += (v - back[i]!) ** 2;
        expect(error.squaredError).toBeCloseTo(squaredError, 12);
        for (const [i, code] of out.codes.entries())
          if (i % (out.groups * 64) >= columns) expect(code).toBe(0);
      });
    }

    it(`chooses for every weight the nearest code of the stored scale (${format})`, () => {
      const values = normal(3 * 130, 7);
      const { out } = quantize(format, values, 3);
      const back = stored(out, 130);
      for (const [i, v] of values.entries()) {
        if (out.patterns && back[i] === 0) continue;
        const row = Math.floor(i / 130);
        const group = row * out.groups + Math.floor((i % 130) / 64);
        const step = out.scales[group]! * 2 ** out.exponents[row]!;
        const code = out.codes[group * 64 + ((i % 130) % 64)]!;
        const inside = code > 0 && code < 2 ** weightFormats[format].bits - 1;
        if (inside) expect(Math.abs(v - back[i]!)).toBeLessThanOrEqual((step / 2) * (1 + 1e-12));
      }
    });

    it(`stores zeros as zeros, in a row and in a group (${format})`, () => {
      const values = normal(2 * 128);
      values.fill(0, 0, 128).fill(0, 192, 256);
      const { out, refused } = quantize(format, values, 2);
      expect(refused).toBe(-1);
      const back = stored(out, 128);
      expect(back.subarray(0, 128).every((v) => v === 0)).toBe(true);
      expect(back.subarray(192).every((v) => v === 0)).toBe(true);
      expect(back.subarray(128, 192).some((v) => v !== 0)).toBe(true);
    });

    it(`refuses a weight that is not a number or too large (${format})`, () => {
      const values = normal(3 * 64);
      values[2 * 64 + 5] = Number.NaN;
      expect(quantize(format, values, 3).refused).toBe(2);
      values[2 * 64 + 5] = 0;
      values[64 + 5] = 3e38;
      expect(quantize(format, values, 3).refused).toBe(1);
    });
  }

  it("stores the symmetric grid without error where rows span 2^5, and counts rows that span more", () => {
    const groups = [1, 2 ** -5, 2 ** -3, 211 / 256];
    const row = (spans: number[]) =>
      spans.flatMap((s) => Array.from({ length: 64 }, (_, i) => s * [-1.5, -0.5, 0.5, 1.5][i % 4]!));
    const exact = quantize("w2", Float32Array.from(row(groups)), 1);
    expect(exact.error).toMatchObject({ squaredError: 0, roundedRows: 0 });
    expect([...stored(exact.out, 256)]).toEqual(row(groups));

    const wide = [1, (1025 / 1024) * 2 ** -9, 0.5, 0.25];
    const rounded = quantize("w2", Float32Array.from([...row(groups), ...row(wide)]), 2);
    expect(rounded.error.roundedRows).toBe(1);
    expect(rounded.error.squaredError).toBeGreaterThan(0);
  });

  it("brings less error with more bits", () => {
    const values = normal(16 * 256, 3);
    const errors = formats.map((format) => quantize(format, values, 16).error.squaredError);
    expect(errors).toEqual([...errors].sort((a, b) => b - a));
    expect(errors[0]! / errors[3]!).toBeGreaterThan(1000);
  });
});
