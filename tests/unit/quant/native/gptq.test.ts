import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { nativeFolder } from "../../../../host/device/native.ts";
import { Random } from "../../../../quant/eval/reference/random.ts";
import type { WeightFormat } from "../../../../quant/format/weight-layout.ts";
import { weightFormats } from "../../../../quant/format/weight-layout.ts";
import { QuantLibrary } from "../../../../quant/native/library.ts";
import { gridKind } from "../../../../quant/passes/grid.ts";
import { hessianOf, inverse, plainGptq } from "./plain-gptq.ts";

const built = existsSync(join(nativeFolder(), "libaccllm_quant.so"));
const damping = 0.01;
const usual = { rows: 12, columns: 152, vectors: 600 };
/** More groups than are done at a time. */
const wide = { rows: 1, columns: 580, vectors: 700 };

/** Weights, and inputs whose elements hang together: each is a mixture of its neighbours. */
function problem(seed: number, shape = usual) {
  const { rows, columns, vectors } = shape;
  const random = new Random(seed);
  const weights = Float32Array.from({ length: rows * columns }, () => 0.1 * random.normal());
  const inputs = new Float32Array(vectors * columns);
  for (let v = 0; v < vectors; v++) {
    let carried = 0;
    for (let c = 0; c < columns; c++) {
      carried = 0.8 * carried + random.normal();
      inputs[v * columns + c] = carried * (1 + (c % 7));
    }
  }
  return { ...shape, weights, inputs };
}

function quantize(
  format: WeightFormat,
  { rows, columns, vectors, weights, inputs }: ReturnType<typeof problem>,
  { mask = null as Uint8Array | null, lacking = null as Float32Array | null, threads = 2, sweeps = 0 } = {},
) {
  const { maxCode, zeroStep, maxZeroHalf } = gridKind(format);
  const { sparse } = weightFormats[format];
  const groups = Math.ceil(columns / 64);
  const positions = new Float32Array(rows * columns);
  const scales = new Float32Array(rows * groups);
  const zeroHalves = new Uint16Array(rows * groups);
  const keep = sparse ? new Uint8Array(rows * columns) : null;
  const result = new QuantLibrary().call(
    "accllmQuantMatrix",
    Int32Array.of(rows, columns, vectors),
    Int32Array.of(maxCode, zeroStep, maxZeroHalf, Number(sparse)),
    weights,
    inputs,
    lacking,
    damping,
    sweeps,
    mask,
    threads,
    positions,
    scales,
    zeroHalves,
    keep,
  );
  expect(result).toBe(0);
  const level = (weight: number, i: number) => {
    const at = Math.floor(i / columns) * groups + Math.floor((i % columns) / 64);
    const zero = zeroHalves[at]! / 2;
    const code = Math.min(Math.max(Math.round(weight / scales[at]! + zero), 0), maxCode);
    return scales[at]! * (code - zero);
  };
  const stored = Array.from(positions, (position, i) => {
    const at = Math.floor(i / columns) * groups + Math.floor((i % columns) / 64);
    const code = Math.min(Math.max(Math.round(position), 0), maxCode);
    return keep?.[i] === 0 ? 0 : scales[at]! * (code - zeroHalves[at]! / 2);
  });
  return { stored, level, keep, positions, scales };
}

/** Groups by the inputs' energy, and the columns of each, most first. */
function activationOrder(energy: readonly number[]): number[] {
  const groups = Math.ceil(energy.length / 64);
  const columnsOf = (group: number) => energy.map((_, c) => c).filter((c) => Math.floor(c / 64) === group);
  const sum = (group: number) => columnsOf(group).reduce((all, c) => all + energy[c]!, 0);
  const whole = Array.from({ length: groups - 1 }, (_, g) => g).sort((a, b) => sum(b) - sum(a));
  // The last group is not whole: it stays where it is.
  return [...whole, groups - 1].flatMap((group) => columnsOf(group).sort((a, b) => energy[b]! - energy[a]!));
}

/** Squared error of the outputs over the squared outputs. */
function outputError(given: ReturnType<typeof problem>, stored: readonly number[]): number {
  const { rows, columns, vectors, weights, inputs } = given;
  let error = 0;
  let energy = 0;
  for (let v = 0; v < vectors; v++) {
    for (let r = 0; r < rows; r++) {
      let [exact, found] = [0, 0];
      for (let c = 0; c < columns; c++) {
        exact += weights[r * columns + c]! * inputs[v * columns + c]!;
        found += stored[r * columns + c]! * inputs[v * columns + c]!;
      }
      error += (exact - found) ** 2;
      energy += exact ** 2;
    }
  }
  return error / energy;
}

describe.skipIf(!built)("GPTQ in the native library (needs it built)", () => {
  it.each([
    ["w2", usual],
    ["w4", usual],
    ["w8", usual],
    ["w4", wide],
  ] as const)("takes the decisions of plain OBQ in order, %s of %o", (format, shape) => {
    const given = problem(3, shape);
    const { rows, columns } = shape;
    const { stored, level } = quantize(format, given);
    const hessian = hessianOf(given.inputs, columns, damping);
    const order = activationOrder(hessian.map((row, c) => row[c]!));
    const h = inverse(order.map((a) => order.map((b) => hessian[a]![b]!)));
    let same = 0;
    for (let r = 0; r < rows; r++) {
      const row = order.map((c) => given.weights[r * columns + c]!);
      const expected = plainGptq(row, h, (weight, place) => level(weight, r * columns + order[place]!));
      for (const [place, c] of order.entries()) {
        if (Math.abs(expected[place]! - stored[r * columns + c]!) < 1e-6) same++;
      }
    }
    // Float32 against double: a weight on the edge between two codes may fall to the other side, and those after it.
    expect(same / (rows * columns)).toBeGreaterThan(0.97);
  });

  it("loses far less of the outputs than rounding to the same grids", () => {
    const given = problem(4);
    const { stored, level } = quantize("w2", given);
    const rounded = Array.from(given.weights, (weight, i) => level(weight, i));
    expect(outputError(given, stored)).toBeLessThan(0.5 * outputError(given, rounded));
  });

  it("keeps two of four, and loses less than masks by magnitude do", () => {
    const given = problem(5);
    const { rows, columns } = given;
    const chosen = quantize("w2s24", given);
    const mask = new Uint8Array(rows * columns);
    for (let i = 0; i < mask.length; i += 4) {
      const order = [0, 1, 2, 3].sort(
        (a, b) => Math.abs(given.weights[i + b]!) - Math.abs(given.weights[i + a]!),
      );
      for (const k of order.slice(0, 2)) mask[i + k] = 1;
    }
    const magnitude = quantize("w2s24", given, { mask });
    expect(magnitude.keep).toEqual(mask);
    for (let i = 0; i < mask.length; i += 4) {
      expect(chosen.keep!.subarray(i, i + 4).reduce((sum, kept) => sum + kept, 0)).toBe(2);
    }
    expect(outputError(given, chosen.stored)).toBeLessThan(0.8 * outputError(given, magnitude.stored));
  });

  it.each(["w2", "w2s24", "w4"] as const)("loses less after coordinate descent, %s", (format) => {
    const given = problem(7);
    const found = outputError(given, quantize(format, given).stored);
    const refined = quantize(format, given, { sweeps: 4 });
    expect(outputError(given, refined.stored)).toBeLessThan(0.97 * found);
    for (const [i, position] of refined.positions.entries()) {
      expect(position).toBeGreaterThanOrEqual(-0.5);
      expect(position).toBeLessThanOrEqual(gridKind(format).maxCode + 0.5);
      if (refined.keep?.[i] === 0) expect(refined.stored[i]).toBe(0);
    }
  });

  it.each([usual, wide])("ends where no code alone could be better, %o", (shape) => {
    const given = problem(9, shape);
    const { rows, columns } = shape;
    const { stored, positions, scales } = quantize("w2", given, { sweeps: 40 });
    const hessian = hessianOf(given.inputs, columns, damping);
    const groups = Math.ceil(columns / 64);
    for (let r = 0; r < rows; r++) {
      const errors = Array.from(
        { length: columns },
        (_, c) => given.weights[r * columns + c]! - stored[r * columns + c]!,
      );
      for (const [c, line] of hessian.entries()) {
        const gradient = errors.reduce((sum, error, k) => sum + error * line[k]!, 0);
        const code = Math.min(Math.max(Math.round(positions[r * columns + c]!), 0), 3);
        for (const other of [code - 1, code + 1]) {
          if (other < 0 || other > 3) continue;
          const change = scales[r * groups + Math.floor(c / 64)]! * (other - code);
          const cost = change ** 2 * line[c]!;
          expect(cost - 2 * change * gradient).toBeGreaterThan(-1e-3 * cost);
        }
      }
    }
  });

  it("makes up for what the outputs lack", () => {
    const given = problem(8);
    const { rows, columns, vectors } = given;
    const wanted = { ...given, weights: given.weights.map((weight, i) => weight * (1 + (i % 3))) };
    const lacking = new Float32Array(vectors * rows);
    for (let v = 0; v < vectors; v++) {
      for (let r = 0; r < rows; r++) {
        for (let c = 0; c < columns; c++) {
          const more = wanted.weights[r * columns + c]! - given.weights[r * columns + c]!;
          lacking[v * rows + r]! += more * given.inputs[v * columns + c]!;
        }
      }
    }
    const plain = outputError(wanted, quantize("w4", wanted).stored);
    const found = outputError(wanted, quantize("w4", given, { lacking }).stored);
    // Damping keeps the correction a little short.
    expect(found).toBeLessThan(1.5 * plain);
    expect(outputError(wanted, quantize("w4", given).stored)).toBeGreaterThan(20 * found);
  });

  it("gives the same bits on any number of threads", () => {
    const given = problem(6, { ...wide, rows: 40 });
    const one = quantize("w2s24", given, { threads: 1, sweeps: 2 });
    const five = quantize("w2s24", given, { threads: 5, sweeps: 2 });
    expect(five.positions).toEqual(one.positions);
    expect(five.keep).toEqual(one.keep);
  });
});
