import { InputError } from "../../host/errors.ts";
import { groupSize } from "../format/limits.ts";
import type { ZeroOffset } from "./gptq-config.ts";
import { type GptqShape, GptqTensor, integers, LoadedMatrix } from "./gptq-tensor.ts";
import { isWeightDtype, PlainTensor } from "./plain-tensor.ts";
import { type FoundTensor, foundEntry, type LocatedEntry } from "./tensor-check.ts";

const PARTS = ["qweight", "qzeros", "scales", "g_idx"] as const;
type Parts = Partial<Record<(typeof PARTS)[number], LocatedEntry>>;

/**
 * Puts the parts of quantized matrices together: what is called X.qweight, X.qzeros, X.scales and X.g_idx becomes the
 * tensor X.weight. Biases that are all zero, which some programs write for every matrix, are left out.
 * @throws InputError naming what is missing, of another shape, or cannot be represented.
 */
export async function assembleGptq(
  located: ReadonlyMap<string, LocatedEntry>,
  offset: ZeroOffset,
  needed: ReadonlySet<string>,
): Promise<Map<string, FoundTensor>> {
  const found = new Map<string, FoundTensor>();
  const quantized = new Map<string, Parts>();
  for (const [name, entry] of located) {
    const part = PARTS.find((one) => name.endsWith(`.${one}`));
    if (part !== undefined) {
      const base = name.slice(0, -part.length - 1);
      quantized.set(base, { ...quantized.get(base), [part]: entry });
    } else if (needed.has(name) || !name.endsWith(".bias") || !(await isZero(name, entry))) {
      found.set(name, foundEntry(entry));
    }
  }
  const cache = new LoadedMatrix();
  for (const [base, parts] of quantized)
    found.set(`${base}.weight`, await assemble(base, parts, offset, cache));
  return found;
}

async function isZero(name: string, located: LocatedEntry): Promise<boolean> {
  const { dtype, shape, offset } = located.entry;
  if (!isWeightDtype(dtype) || shape.length !== 1) return false;
  const values = new Float32Array(shape[0]!);
  await new PlainTensor(name, 1, shape[0]!, dtype, { file: located.file, offset }).read(0, 1, values);
  return values.every((value) => value === 0);
}

async function assemble(
  base: string,
  { qweight, qzeros, scales, g_idx }: Parts,
  offset: ZeroOffset,
  cache: LoadedMatrix,
): Promise<FoundTensor> {
  const bad = (message: string, hint?: string) =>
    new InputError(
      "GPTQ_INVALID",
      `The quantized matrix "${base}" ${message}.`,
      hint === undefined ? {} : { hint },
    );
  if (qweight === undefined || qzeros === undefined || scales === undefined) {
    const missing = PARTS.slice(0, 3).filter((_, i) => [qweight, qzeros, scales][i] === undefined);
    throw bad(`has no ${missing.join(" and no ")}`);
  }
  for (const [part, { entry }] of Object.entries({ qweight, qzeros })) {
    if (entry.dtype !== "I32") throw bad(`has ${part} of dtype ${entry.dtype} instead of I32`);
  }
  if (!isWeightDtype(scales.entry.dtype)) throw bad(`has scales of dtype ${scales.entry.dtype}`);
  const [groups = 0, rows = 0] = scales.entry.shape;
  const [packed = 0, outputs] = qweight.entry.shape;
  const [zeroGroups, zeroWords = 0] = qzeros.entry.shape;
  const rank = [scales, qweight, qzeros].every(({ entry }) => entry.shape.length === 2);
  const bits = (zeroWords * 32) / rows;
  if (!rank || groups === 0 || rows === 0 || outputs !== rows || zeroGroups !== groups) {
    const shapes = [qweight, qzeros, scales].map(({ entry }) => `[${entry.shape.join(", ")}]`);
    throw bad(
      `has qweight ${shapes[0]}, qzeros ${shapes[1]} and scales ${shapes[2]}, which do not fit together`,
    );
  }
  if (bits !== 2 && bits !== 4 && bits !== 8) {
    throw bad(`is stored in ${bits} bits`, "GPTQ checkpoints of 2, 4 and 8 bits can be read.");
  }
  const cols = (packed * 32) / bits;
  const blockGroups = await blockGroupsOf(cols, groups, g_idx, bad);
  const shape: GptqShape = { rows, cols, bits, groups };
  return {
    shape: [rows, cols],
    path: qweight.file.path,
    open: (name) => new GptqTensor(name, shape, { qweight, qzeros, scales }, offset, blockGroups, cache),
  };
}

/** The group of every 64 inputs. */
async function blockGroupsOf(
  cols: number,
  groups: number,
  g_idx: LocatedEntry | undefined,
  bad: (message: string, hint?: string) => InputError,
): Promise<Uint16Array> {
  let groupOf = (column: number) => Math.floor(column / Math.ceil(cols / groups));
  if (g_idx !== undefined) {
    const { dtype, shape } = g_idx.entry;
    if (dtype !== "I32" || shape.length !== 1 || shape[0] !== cols) {
      throw bad(`has g_idx [${shape.join(", ")}] of dtype ${dtype}; its ${cols} inputs need as many of I32`);
    }
    const index = await integers(g_idx);
    groupOf = (column) => index[column]!;
  }
  const blockGroups = new Uint16Array(Math.ceil(cols / groupSize));
  for (let column = 0; column < cols; column++) {
    const group = groupOf(column);
    if (!(group >= 0 && group < groups)) throw bad(`names the group ${group} of ${groups}`);
    const block = Math.floor(column / groupSize);
    if (column % groupSize === 0) blockGroups[block] = group;
    else if (blockGroups[block] !== group) throw bad(...scattered(g_idx !== undefined, cols, groups));
  }
  return blockGroups;
}

function scattered(indexed: boolean, cols: number, groups: number): [message: string, hint: string] {
  const size = Math.ceil(cols / groups);
  if (!indexed || size < groupSize) {
    return [`has groups of ${size} inputs`, "Groups of 64 and of multiples of 64 can be read."];
  }
  return [
    "has groups that are scattered over the inputs (desc_act); the kernel's are 64 inputs in a row",
    "Take a checkpoint quantized with desc_act false, or with act_group_aware.",
  ];
}
