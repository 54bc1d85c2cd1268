/** A matrix of float32 numbers, row after row: `rows` outputs of `cols` inputs. */
export interface Matrix {
  readonly rows: number;
  readonly cols: number;
  readonly values: Float32Array;
  /** Added to the outputs, `rows` of them; absent where there is none. */
  readonly bias?: Float32Array | undefined;
}

/**
 * y = x W^T + bias for `count` vectors: x is [count, cols], the result [count, rows]. Sums are kept in double and
 * stored as float32. Four rows at a time share the vector's elements, and are read once for all vectors.
 */
export function multiply(matrix: Matrix, x: Float32Array, count: number): Float32Array {
  const { rows, cols, values, bias } = matrix;
  const y = new Float32Array(count * rows);
  const inFours = rows - (rows % 4);
  for (let row = 0; row < inFours; row += 4) {
    const [w0, w1, w2, w3] = [row * cols, (row + 1) * cols, (row + 2) * cols, (row + 3) * cols];
    for (let vector = 0; vector < count; vector++) {
      const start = vector * cols;
      let [s0, s1, s2, s3] = bias
        ? [bias[row]!, bias[row + 1]!, bias[row + 2]!, bias[row + 3]!]
        : [0, 0, 0, 0];
      for (let i = 0; i < cols; i++) {
        const element = x[start + i]!;
        s0 += values[w0 + i]! * element;
        s1 += values[w1 + i]! * element;
        s2 += values[w2 + i]! * element;
        s3 += values[w3 + i]! * element;
      }
      const out = vector * rows + row;
      y[out] = s0;
      y[out + 1] = s1;
      y[out + 2] = s2;
      y[out + 3] = s3;
    }
  }
  for (let row = inFours; row < rows; row++) {
    for (let vector = 0; vector < count; vector++) {
      y[vector * rows + row] = (bias?.[row] ?? 0) + dot(values, row * cols, x, vector * cols, cols);
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
  let sum = 0;
  for (let i = 0; i < length; i++) sum += a[aStart + i]! * b[bStart + i]!;
  return sum;
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
