import { describe, expect, it } from "vitest";
import { addTo, gateWithSilu, multiply, rmsNorm } from "../../../../quant/eval/linear.ts";

describe("multiply", () => {
  it.each([
    [1, 1, 1],
    [4, 3, 2],
    [7, 5, 3],
    [8, 6, 1],
  ])("%i rows of %i inputs times %i vectors", (rows, cols, count) => {
    const values = Float32Array.from({ length: rows * cols }, (_, i) => ((i * 7) % 11) - 5);
    const x = Float32Array.from({ length: count * cols }, (_, i) => ((i * 5) % 13) - 6);
    const expected = Array.from({ length: count * rows }, (_, at) => {
      const [vector, row] = [Math.floor(at / rows), at % rows];
      return Array.from({ length: cols }, (_, i) => values[row * cols + i]! * x[vector * cols + i]!).reduce(
        (a, b) => a + b,
      );
    });
    expect([...multiply({ rows, cols, values }, x, count)]).toEqual(expected);
    const bias = Float32Array.from({ length: rows }, (_, row) => row + 100);
    const shifted = expected.map((y, at) => y + 100 + (at % rows));
    expect([...multiply({ rows, cols, values, bias }, x, count)]).toEqual(shifted);
  });
});

it("rmsNorm divides each vector by its own root mean square", () => {
  const y = rmsNorm(Float32Array.of(3, 4, 0, 0), Float32Array.of(1, 2), 0.5, 2);
  // Mean square of (3, 4) is 12.5; of (0, 0) only eps remains.
  expect([...y]).toEqual([3 / Math.sqrt(13), 8 / Math.sqrt(13), 0, 0].map(Math.fround));
});

it("gateWithSilu multiplies gate * sigmoid(gate) by up", () => {
  const gate = Float32Array.of(0, Math.log(3), -1000);
  gateWithSilu(gate, Float32Array.of(5, 2, 1));
  expect(gate[0]).toBe(0);
  expect(gate[1]).toBeCloseTo(Math.log(3) * 0.75 * 2, 6);
  expect(gate[2]).toBeCloseTo(0, 12);
});

it("addTo adds in place", () => {
  const x = Float32Array.of(1, 2);
  addTo(x, Float32Array.of(10, -2));
  expect([...x]).toEqual([11, 0]);
});
