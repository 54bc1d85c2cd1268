/** A matrix of float32 numbers, row after row: `rows` outputs of `cols` inputs. */
export interface Matrix {
  readonly rows: number;
  readonly cols: number;
  readonly values: Float32Array;
}

/**
 * y = x W^T for `count` vectors: x is [count, cols], the result [count, rows]. Sums are kept in double and stored
 * as float32. Each row of the matrix is read once for all vectors.
 */
export function multiply(matrix: Matrix, x: Float32Array, count: number): Float32Array {
  const { rows, cols, values } = matrix;
  const y = new Float32Array(count * rows);
  for (let row = 0; row < rows; row++) {
    const weights = row * cols;
    for (let vector = 0; vector < count; vector++) {
      y[vector * rows + row] = dot(values, weights, x, vector * cols, cols);
    }
  }
  return y;
}

/** Inner product of `length` elements of `a` from `aStart` and of `b` from `bStart`, in double. */
export function dot(
  a: Float32Array,
  aStart: number,
  b: Float32Array,
  bStart: number,
  length: number,
): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    s0 += a[aStart + i]! * b[bStart + i]!;
    s1 += a[aStart + i + 1]! * b[bStart + i + 1]!;
    s2 += a[aStart + i + 2]! * b[bStart + i + 2]!;
    s3 += a[aStart + i + 3]! * b[bStart + i + 3]!;
  }
  for (; i < length; i++) s0 += a[aStart + i]! * b[bStart + i]!;
  return s0 + s1 + (s2 + s3);
}

/** RMSNorm of `count` vectors: x / sqrt(mean(x^2) + eps) * gain. */
export function rmsNorm(x: Float32Array, gain: Float32Array, eps: number, count: number): Float32Array {
  const size = gain.length;
  const y = new Float32Array(count * size);
  for (let start = 0; start < y.length; start += size) {
    const scale = 1 / Math.sqrt(dot(x, start, x, start, size) / size + eps);
    for (let i = 0; i < size; i++) y[start + i] = x[start + i]! * scale * gain[i]!;
  }
  return y;
}

/** SwiGLU's gating, in place: gate = gate * sigmoid(gate) * up. */
export function gateWithSilu(gate: Float32Array, up: Float32Array): void {
  for (let i = 0; i < gate.length; i++) {
    const value = gate[i]!;
    gate[i] = (value / (1 + Math.exp(-value))) * up[i]!;
  }
}

/** x += y. */
export function addTo(x: Float32Array, y: Float32Array): void {
  for (let i = 0; i < x.length; i++) x[i] = x[i]! + y[i]!;
}
