/** Sum of x^T x over row vectors, plus `damping` times the mean diagonal on it. */
export function hessianOf(inputs: Float32Array, width: number, damping: number): Float64Array[] {
  const h = Array.from({ length: width }, () => new Float64Array(width));
  for (let start = 0; start < inputs.length; start += width) {
    for (let i = 0; i < width; i++) {
      const row = h[i]!;
      const x = inputs[start + i]!;
      for (let j = 0; j < width; j++) row[j]! += x * inputs[start + j]!;
    }
  }
  const mean = h.reduce((sum, row, i) => sum + row[i]!, 0) / width;
  for (let i = 0; i < width; i++) h[i]![i]! += damping * mean;
  return h;
}

/** Gauss-Jordan, for positive definite matrices. */
export function inverse(matrix: readonly ArrayLike<number>[]): Float64Array[] {
  const n = matrix.length;
  const rows = matrix.map((row, i) =>
    Float64Array.from({ length: 2 * n }, (_, j) => (j < n ? row[j]! : Number(j - n === i))),
  );
  for (const [p, pivotRow] of rows.entries()) {
    const pivot = pivotRow[p]!;
    for (let c = p; c < 2 * n; c++) pivotRow[c]! /= pivot;
    for (const row of rows) {
      const factor = row[p]!;
      if (row !== pivotRow) for (let c = p; c < 2 * n; c++) row[c]! -= factor * pivotRow[c]!;
    }
  }
  return rows.map((row) => row.subarray(n));
}

/**
 * Optimal Brain Quantization of a row, columns in order, as its paper has it: quantize a weight, correct the others by
 * the column of the inverse Hessian, take the weight out of the inverse. No Cholesky factor, no blocks.
 * @param round the nearest level of weight `column`.
 */
export function plainGptq(
  row: readonly number[],
  hessianInverse: readonly ArrayLike<number>[],
  round: (weight: number, column: number) => number,
): number[] {
  const w = [...row];
  const h = hessianInverse.map((line) => Float64Array.from(line));
  const n = w.length;
  const result: number[] = [];
  for (let p = 0; p < n; p++) {
    result.push(round(w[p]!, p));
    const error = (w[p]! - result[p]!) / h[p]![p]!;
    for (let j = p; j < n; j++) w[j]! -= error * h[p]![j]!;
    const pivot = h[p]![p]!;
    const column = h.map((line) => line[p]!);
    for (let i = p; i < n; i++) {
      const line = h[i]!;
      const factor = column[i]! / pivot;
      for (let j = p; j < n; j++) line[j]! -= factor * column[j]!;
    }
  }
  return result;
}
