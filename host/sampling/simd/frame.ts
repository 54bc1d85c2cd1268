import { vectors } from "./vectors.ts";

/** Ids by whose blocks sums are noted. */
export const BLOCK = 128;
/** Buckets that {@link PlacedScores.deal} deals out into. */
export const BUCKETS = 1024;

const pageBytes = 65_536;

/** Places for what belongs to scores of up to `length` ids. */
export class Frame {
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

/** A frame for scores at a depth: what is deeper lies behind it. */
export function frameAt(depth: number, length: number): Frame {
  const known = frames[depth];
  if (known !== undefined && known.length >= length) return known;
  const frame = new Frame(frames[depth - 1]?.end ?? vectors.firstFree(), length);
  frames.length = depth;
  frames.push(frame);
  const missing = frame.end - vectors.memory.buffer.byteLength;
  if (missing > 0) vectors.memory.grow(Math.ceil(missing / pageBytes));
  return frame;
}
