/** Sum of x^T x over row vectors, plus `damping` times the mean diagonal on it. */
export function hessianOf(inputs: Float32Array, width: number, damping: number): number[][] {
  const h = Array.from({ length: width }, () => new Array<number>(width).fill(0));
  for (let start = 0; start < inputs.length; start += width) {
    for (let i = 0; i < width; i++) {
      for (let j = 0; j < width; j++) h[i]![j]! += inputs[start + i]! * inputs[start + j]!;
    }
  }
  const mean = h.reduce((sum, row, i) => sum + row[i]!, 0) / width;
  for (let i = 0; i < width; i++) h[i]![i]! += damping * mean;
  return h;
}

/** Gauss-Jordan, for positive definite matrices. */
export function inverse(matrix: readonly (readonly number[])[]): number[][] {
  const n = matrix.length;
  const rows = matrix.map((row, i) => [...row, ...row.map((_, j) => Number(i === j))]);
  for (let p = 0; p < n; p++) {
    const pivot = rows[p]![p]!;
    rows[p] = rows[p]!.map((v) => v / pivot);
    for (let r = 0; r < n; r++) {
      const factor = rows[r]![p]!;
      if (r !== p && factor !== 0) rows[r] = rows[r]!.map((v, c) => v - factor * rows[p]![c]!);
    }
  }
  return rows.map((row) => row.slice(n));
}

/**
 * Optimal Brain Quantization of a row, columns in order, as its paper has it: quantize a weight, correct the others by
 * the column of the inverse Hessian, take the weight out of the inverse. No Cholesky factor, no blocks.
 * @param round the nearest level of weight `column`.
 */
export function plainGptq(
  row: readonly number[],
  hessianInverse: readonly (readonly number[])[],
  round: (weight: number, column: number) => number,
): number[] {
  const w = [...row];
  const h = hessianInverse.map((line) => [...line]);
  const n = w.length;
  const result: number[] = [];
  for (let p = 0; p < n; p++) {
    result.push(round(w[p]!, p));
    const error = (w[p]! - result[p]!) / h[p]![p]!;
    for (let j = p; j < n; j++) w[j]! -= error * h[p]![j]!;
    const pivot = h[p]![p]!;
    const column = h.map((line) => line[p]!);
    for (let i = p; i < n; i++) for (let j = p; j < n; j++) h[i]![j]! -= (column[i]! * column[j]!) / pivot;
  }
  return result;
}
