import { expNonPositive, ROOTS } from "../exp.ts";
import { moduleText } from "./module.ts";

/** What TypeScript's libraries for Node.js leave out. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { readonly exports: unknown };
};

/** What vector.as exports; pointers are bytes in `memory`. */
interface Vectors {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  rootsPointer(): number;
  powersPointer(): number;
  /** The module's own data ends before. */
  firstFree(): number;
  best(scores: number, wide: number, length: number): number;
  select(scores: number, wide: number, length: number, count: number, ids: number): void;
  lowest(scores: number, wide: number, length: number): number;
  sumBlocks(
    scores: number,
    wide: number,
    length: number,
    highest: number,
    temperature: number,
    sums: number,
  ): number;
  addRange(
    start: number,
    scores: number,
    wide: number,
    from: number,
    to: number,
    highest: number,
    temperature: number,
  ): number;
  deal(
    scores: number,
    wide: number,
    length: number,
    highest: number,
    temperature: number,
    top: number,
    perScore: number,
    least: number,
    buckets: number,
    masses: number,
  ): number;
  drawById(
    scores: number,
    wide: number,
    length: number,
    highest: number,
    temperature: number,
    part: number,
    sums: number,
  ): number;
  drawByRank(
    scores: number,
    wide: number,
    length: number,
    highest: number,
    temperature: number,
    share: number,
    part: number,
    ids: number,
  ): number;
  drawFirst(
    scores: number,
    wide: number,
    count: number,
    highest: number,
    temperature: number,
    share: number,
    least: number,
    part: number,
    ids: number,
  ): number;
  idsIn(buckets: number, length: number, bucket: number, ids: number): number;
}

/** The module's loops. */
export const vectors = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(moduleText, "base64")))
  .exports as Vectors;
new Float64Array(vectors.memory.buffer, vectors.rootsPointer(), ROOTS.length).set(ROOTS);
/** By step of steps.as. */
const powers = new Float64Array(vectors.memory.buffer, vectors.powersPointer(), 2048);
for (let step = 0; step < powers.length; step++)
  powers[step] = expNonPositive((-step * Math.LN2) / 64) / 2 ** 29;
