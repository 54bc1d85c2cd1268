import { groupSize } from "../../format/limits.ts";
import { keepPatterns, type MatrixLayout, weightFormats } from "../../format/weight-layout.ts";
import { type QuantizedRows, unpackRows } from "../../format/weight-pack.ts";
import { fl, powerOfTwo } from "./fround.ts";

/** A matrix unpacked for integer sums. */
export interface ReferenceMatrix {
  readonly rows: number;
  readonly columns: number;
  readonly groups: number;
  /** [rows][groups * 64]: 2c - zh, and 0 where 2:4 drops the weight. */
  readonly weights: Int8Array | Int16Array;
  /** [rows][groups]: m. */
  readonly scales: Uint16Array;
  /** [rows]: e. */
  readonly exponents: Int8Array;
}

/** @param channels the packed tensor, one array a weight channel, from its beat 0. */
export function referenceMatrix(layout: MatrixLayout, channels: readonly Uint8Array[]): ReferenceMatrix {
  const rows = unpackRows(layout, channels, 0, layout.rows);
  return {
    rows: layout.rows,
    columns: layout.columns,
    groups: layout.groups,
    weights: halfSteps(layout, rows),
    scales: rows.scales,
    exponents: rows.exponents,
  };
}

function halfSteps(layout: MatrixLayout, rows: QuantizedRows): Int8Array | Int16Array {
  const { codes, patterns, zeroHalves } = rows;
  const weights =
    weightFormats[layout.format].bits > 4 ? new Int16Array(codes.length) : new Int8Array(codes.length);
  for (let i = 0; i < codes.length; i++) {
    if (patterns) {
      const keep = keepPatterns[patterns[i >> 2]!]!;
      if (keep[0] !== (i & 3) && keep[1] !== (i & 3)) continue;
    }
    weights[i] = 2 * codes[i]! - zeroHalves[Math.floor(i / groupSize)]!;
  }
  return weights;
}

/**
 * docs/numerics.md, "matmul, logits".
 * @param codes activations, `columns` of them.
 * @param bias added to y, `rows` of them.
 * @returns y, `rows` of them.
 */
export function matmul(
  matrix: ReferenceMatrix,
  codes: Int8Array,
  scale: number,
  bias?: Float32Array,
): Float32Array {
  const { rows, columns, groups, exponents } = matrix;
  const padded = new Int8Array(groups * groupSize);
  padded.set(codes.subarray(0, columns));
  const y = new Float32Array(rows);
  for (let r = 0; r < rows; r++) {
    const product = fl(fl(rowSum(matrix, r, padded)) * fl(scale * powerOfTwo(exponents[r]! - 1)));
    y[r] = bias === undefined ? product : fl(product + bias[r]!);
  }
  return y;
}

/** acc of a row: group sums fit 32 bits, the row's sum fits a double. */
function rowSum(matrix: ReferenceMatrix, row: number, codes: Int8Array): number {
  const { groups, weights, scales } = matrix;
  const group = codes.length / groups;
  let acc = 0;
  for (let g = 0; g < groups; g++) {
    const first = (row * groups + g) * group;
    let sum = 0;
    for (let i = 0; i < group; i++) {
      sum = (sum + Math.imul(weights[first + i]!, codes[g * group + i]!)) | 0;
    }
    acc += scales[row * groups + g]! * sum;
  }
  return acc;
}
