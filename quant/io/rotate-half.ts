import type { StoredTensor } from "./stored-tensor.ts";

/**
 * A query or key matrix (or its bias, one row) whose file has the two elements that RoPE rotates together beside each
 * other, as llama2.c and llama.cpp store them: read in the rotate-half order, where within a head row i pairs with row
 * i + headDim/2.
 */
export function inRotateHalfOrder(tensor: StoredTensor, headDim: number): StoredTensor {
  const { name, rows, cols, dtype, path } = tensor;
  const half = headDim / 2;
  const source = (i: number) => (i < half ? 2 * i : 2 * (i - half) + 1);
  if (rows === 1) {
    return {
      ...{ name, rows, cols, dtype, path },
      async read(_firstRow, _rowCount, out) {
        const stored = new Float32Array(cols);
        await tensor.read(0, 1, stored);
        for (let i = 0; i < cols; i++) out[i] = stored[i - (i % headDim) + source(i % headDim)]!;
      },
    };
  }
  return {
    ...{ name, rows, cols, dtype, path },
    async read(firstRow, rowCount, out) {
      const head = new Float32Array(headDim * cols);
      let loaded = -1;
      for (let i = 0; i < rowCount; i++) {
        const row = firstRow + i;
        const headStart = row - (row % headDim);
        if (headStart !== loaded) {
          await tensor.read(headStart, headDim, head);
          loaded = headStart;
        }
        const from = source(row - headStart) * cols;
        out.set(head.subarray(from, from + cols), i * cols);
      }
    },
  };
}
