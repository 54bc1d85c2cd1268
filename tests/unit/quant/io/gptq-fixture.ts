import { Random } from "../../../../quant/eval/reference/random.ts";
import type { RawTensor } from "./small-checkpoint.ts";

/** A quantized matrix before it is packed: scale * (code - zero). */
export interface GptqMatrix {
  readonly rows: number;
  readonly cols: number;
  readonly bits: number;
  readonly group: number;
  /** [rows][cols] */
  readonly codes: number[][];
  /** [rows][groups] */
  readonly zeros: number[][];
  /** [rows][groups], float16 bits. */
  readonly scales: number[][];
}

/** Value of float16 bits, by the definition of IEEE 754; no infinities. */
export function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 0x3ff;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

/** Random codes; scales of a row within a factor of 2^5, with all bits of their fractions in use. */
export function randomGptq(
  rows: number,
  cols: number,
  bits: number,
  group: number,
  seed: number,
): GptqMatrix {
  const random = new Random(seed);
  const table = (width: number, draw: () => number) =>
    Array.from({ length: rows }, () => Array.from({ length: width }, draw));
  const groups = Math.ceil(cols / group);
  return {
    ...{ rows, cols, bits, group },
    codes: table(cols, () => random.below(2 ** bits)),
    zeros: table(groups, () => random.below(2 ** bits)),
    scales: table(groups, () => ((8 + random.below(5)) << 10) | random.below(1024)),
  };
}

/** What the matrix stands for, [rows][cols]. */
export function gptqWeights({ cols, group, codes, zeros, scales }: GptqMatrix): Float32Array {
  return Float32Array.from(
    codes.flatMap((row, r) =>
      Array.from({ length: cols }, (_, c) => {
        const g = Math.floor(c / group);
        return halfValue(scales[r]![g]!) * (row[c]! - zeros[r]![g]!);
      }),
    ),
  );
}

/** How zero-points are written: "v2" as they are, "v1" one less in each place, "borrow" one less as 32-bit numbers. */
export type ZeroForm = "v1" | "v2" | "borrow";

/** Numbers of `bits` bits to int32 words, the first lowest, written out as binary digits. */
function words(numbers: readonly number[], bits: number): number[] {
  const digits = numbers.map((n) => n.toString(2).padStart(bits, "0"));
  const perWord = 32 / bits;
  return Array.from({ length: numbers.length / perWord }, (_, w) =>
    Number(
      BigInt.asIntN(
        32,
        BigInt(
          `0b${digits
            .slice(w * perWord, (w + 1) * perWord)
            .reverse()
            .join("")}`,
        ),
      ),
    ),
  );
}

/** The tensors of a matrix in the packing that AutoGPTQ, GPTQModel and EfficientQAT publish. */
export function packGptq(name: string, matrix: GptqMatrix, form: ZeroForm): Record<string, RawTensor> {
  const { rows, cols, bits, group, codes, zeros, scales } = matrix;
  const groups = zeros[0]!.length;
  const int32 = (values: number[], shape: number[]): RawTensor => ({
    dtype: "I32",
    shape,
    bytes: new Uint8Array(Int32Array.from(values).buffer),
  });
  // Packed along the inputs: column after column of words.
  const byRow = codes.map((row) => words(row, bits));
  const inputWords = (cols * bits) / 32;
  const qweight = Array.from({ length: inputWords }, (_, w) => byRow.map((row) => row[w]!)).flat();
  const one = BigInt(`0b${"1".padStart(bits, "0").repeat(32 / bits)}`);
  const qzeros = Array.from({ length: groups }, (_, g) => {
    const column = zeros.map((row) => row[g]!);
    if (form === "v2") return words(column, bits);
    if (form === "v1")
      return words(
        column.map((z) => (z - 1 + 2 ** bits) % 2 ** bits),
        bits,
      );
    return words(column, bits).map((word) => Number(BigInt.asIntN(32, BigInt(word) - one)));
  }).flat();
  const halves = Array.from({ length: groups }, (_, g) => scales.map((row) => row[g]!)).flat();
  return {
    [`${name}.qweight`]: int32(qweight, [inputWords, rows]),
    [`${name}.qzeros`]: int32(qzeros, [groups, (rows * bits) / 32]),
    [`${name}.scales`]: {
      dtype: "F16",
      shape: [groups, rows],
      bytes: new Uint8Array(Uint16Array.from(halves).buffer),
    },
    [`${name}.g_idx`]: int32(
      Array.from({ length: cols }, (_, c) => Math.floor(c / group)),
      [cols],
    ),
  };
}
