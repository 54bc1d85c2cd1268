import { ROOTS } from "../exp.ts";
import { allIds } from "../order.ts";
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
  idsIn(buckets: number, length: number, bucket: number, ids: number): number;
}

/** One number per token: logits, or, as doubles, what a penalty made of them. */
export type Scores = Float32Array | Float64Array;

/** What makes a score a weight: exp((score - highest) / temperature). */
export interface Weighting {
  /** At least every score. */
  readonly highest: number;
  readonly temperature: number;
}

/** Ids by whose blocks sums are noted. */
export const BLOCK = 128;
/** Buckets that {@link PlacedScores.deal} deals out into. */
export const BUCKETS = 1024;

const pageBytes = 65_536;
/** The module's own data ends before. */
const firstByte = 16_384;

const vectors = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(moduleText, "base64")))
  .exports as Vectors;
new Float64Array(vectors.memory.buffer, vectors.rootsPointer(), ROOTS.length).set(ROOTS);

/** Places for what belongs to scores of up to `length` ids. */
class Frame {
  readonly length: number;
  readonly narrow: number;
  readonly wide: number;
  readonly ids: number;
  readonly sums: number;
  readonly buckets: number;
  readonly masses: number;
  readonly end: number;
  #view: Float32Array | undefined;

  constructor(start: number, length: number) {
    this.length = length;
    let at = start;
    const take = (bytes: number) => {
      const place = at;
      at += Math.ceil(bytes / 16) * 16;
      return place;
    };
    this.narrow = take(4 * length);
    this.wide = take(8 * length);
    this.ids = take(4 * length);
    this.sums = take(8 * Math.ceil(length / BLOCK));
    this.buckets = take(2 * length);
    // One more for what has no weight.
    this.masses = take(8 * (BUCKETS + 1));
    this.end = at;
  }

  /** Copies float32 scores to their place. */
  set(scores: Float32Array): void {
    const { buffer } = vectors.memory;
    // A view is kept for the next token, but the memory is another one once it has grown.
    if (this.#view?.buffer !== buffer || this.#view.length !== scores.length) {
      this.#view = new Float32Array(buffer, this.narrow, scores.length);
    }
    this.#view.set(scores);
  }
}

/** By depth: scores that are looked into lie behind those that they are taken of. */
const frames: Frame[] = [];

function frameAt(depth: number, length: number): Frame {
  const known = frames[depth];
  if (known !== undefined && known.length >= length) return known;
  const frame = new Frame(frames[depth - 1]?.end ?? firstByte, length);
  frames.length = depth;
  frames.push(frame);
  const missing = frame.end - vectors.memory.buffer.byteLength;
  if (missing > 0) vectors.memory.grow(Math.ceil(missing / pageBytes));
  return frame;
}

/**
 * Scores in the memory of a WebAssembly module, whose loops go through a vocabulary several at a time (vector.as). All
 * callers share that memory: scores stay where they are until others of the same type are placed at the same depth.
 */
export class PlacedScores {
  readonly scores: Scores;
  readonly #depth: number;
  readonly #frame: Frame;
  readonly #pointer: number;
  readonly #wide: number;
  #best: number | undefined;

  /** @param depth 0, or one more than that of the scores that these are taken of */
  constructor(scores: Scores, depth = 0) {
    this.scores = scores;
    this.#depth = depth;
    this.#frame = frameAt(depth, scores.length);
    if (scores instanceof Float32Array) {
      this.#wide = 0;
      this.#pointer = this.#frame.narrow;
      this.#frame.set(scores);
    } else {
      this.#wide = 1;
      this.#pointer = this.#frame.wide;
      new Float64Array(vectors.memory.buffer, this.#pointer, scores.length).set(scores);
    }
  }

  get length(): number {
    return this.scores.length;
  }

  /** Some of these scores, by ascending id. */
  among(ids: Uint32Array): PlacedScores {
    const { scores } = this;
    const some = scores instanceof Float32Array ? new Float32Array(ids.length) : new Float64Array(ids.length);
    for (let i = 0; i < ids.length; i++) some[i] = scores[ids[i]!]!;
    return new PlacedScores(some, this.#depth + 1);
  }

  /**
   * The id of the highest score, the lowest among equals; -1 where one is NaN or Infinity, or all are -Infinity.
   */
  best(): number {
    this.#best ??= vectors.best(this.#pointer, this.#wide, this.length);
    return this.#best;
  }

  /** The lowest score that is finite; Infinity where there is none. */
  lowest(): number {
    return vectors.lowest(this.#pointer, this.#wide, this.length);
  }

  /**
   * The best ids in order, higher scores first and lower ids first among equals; valid until the next call.
   * @param count 1 to length
   */
  select(count: number): Uint32Array {
    vectors.select(this.#pointer, this.#wide, this.length, count, this.#frame.ids);
    return new Uint32Array(vectors.memory.buffer, this.#frame.ids, count);
  }

  /** The sum of all weights by ascending id; {@link sums} has those through every block. */
  sum({ highest, temperature }: Weighting): number {
    return vectors.sumBlocks(this.#pointer, this.#wide, this.length, highest, temperature, this.#frame.sums);
  }

  /** The sum through every block of ids, as {@link sum} left it. */
  get sums(): Float64Array {
    return new Float64Array(vectors.memory.buffer, this.#frame.sums, Math.ceil(this.length / BLOCK));
  }

  /** `start` and the weights from id `from` to before `to`, added by ascending id. */
  addWeights(start: number, from: number, to: number, { highest, temperature }: Weighting): number {
    return vectors.addRange(start, this.#pointer, this.#wide, from, to, highest, temperature);
  }

  /**
   * Puts ids into buckets by (highest score - score) * perScore; an id of weight 0 is in none. {@link masses} has the
   * buckets' weights, added by ascending id.
   * @param top the highest score
   * @param least what a weight needs to count as likely
   * @returns the likely weights' sum
   */
  deal(
    { highest, temperature }: Weighting,
    { top, perScore, least }: { readonly top: number; readonly perScore: number; readonly least: number },
  ): number {
    this.masses.fill(0);
    const { buckets, masses } = this.#frame;
    return vectors.deal(
      this.#pointer,
      this.#wide,
      this.length,
      highest,
      temperature,
      top,
      perScore,
      least,
      buckets,
      masses,
    );
  }

  get masses(): Float64Array {
    return new Float64Array(vectors.memory.buffer, this.#frame.masses, BUCKETS);
  }

  /** The ids in a bucket, ascending; a copy. */
  idsIn(bucket: number): Uint32Array {
    const count = vectors.idsIn(this.#frame.buckets, this.length, bucket, this.#frame.ids);
    return new Uint32Array(vectors.memory.buffer, this.#frame.ids, count).slice();
  }

  /** The ids that are in any bucket, ascending. */
  dealtIds(): Uint32Array {
    const buckets = new Uint16Array(vectors.memory.buffer, this.#frame.buckets, this.length);
    return allIds(this.length).filter((id) => buckets[id] !== BUCKETS);
  }
}
