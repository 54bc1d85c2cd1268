import type { TimingParameters } from "../../quant/format/timing.ts";

/** What one descriptor asks of the engines and of the busiest HBM channel; as `timing::Work` of hls. */
export type Work =
  | {
      readonly kind: "matrix";
      /** Beats of weights in a channel. */
      readonly beats: number;
      /** Cycles of the arrays. */
      readonly compute: number;
      /** Cycles in which the arrays' feed gets the codes; 0 where it has them. */
      readonly feed: number;
      /** The matrix of the keys: queries are complete, and are made ready beside it. */
      readonly keys: boolean;
    }
  | {
      readonly kind: "attention";
      /** Beats' time of keys and of values in the busiest cache channel. */
      readonly keyBeats: number;
      readonly valueBeats: number;
      /** Cycles of the lanes over the keys and over the values. */
      readonly keyCompute: number;
      readonly valueCompute: number;
      /** Cycles of the key-mean term. */
      readonly mean: number;
      readonly exponentials: number;
      /** Float units before the keys and behind the values. */
      readonly before: number;
      readonly behind: number;
      /** The job's first token, whose queries are made before k and v. */
      readonly ahead: boolean;
    }
  | { readonly kind: "elementwise"; readonly before: number };

/** Cycles in which an HBM channel delivers `beats`. */
export function transfer(beats: number, { beatsPer10kCycles }: TimingParameters): number {
  return Math.ceil((beats * 10_000) / beatsPer10kCycles);
}

/** The beats of one stream (weights, cache, or both where they share channels) through its prefetch buffer. */
class Stream {
  readonly #p: TimingParameters;
  /** When the channels have delivered all that was asked of them. */
  free: number;
  #beats = 0;
  /** Least distance of an arrival from the time that the beats up to it take on the wire. */
  #lag = Number.NEGATIVE_INFINITY;

  constructor(parameters: TimingParameters) {
    this.#p = parameters;
    this.free = parameters.jobLatency;
  }

  /**
   * Fetches beats that are used from `use` on, and no earlier than `earliest`. At that time the buffer holds at
   * most its depth, of these beats and later ones; so the n-th beat from here on comes (n - depth) beats later.
   * @returns when the last of them is there
   */
  fetch(beats: number, use: number, earliest = 0): number {
    const p = this.#p;
    this.#lag = Math.max(this.#lag, use - transfer(this.#beats + p.prefetchBeats, p));
    this.#beats += beats;
    const streamed = Math.max(this.free, earliest) + transfer(beats, p);
    this.free = Math.max(streamed, transfer(this.#beats, p) + this.#lag);
    return this.free + p.readLatency;
  }

  /** Where an engine that takes beats from `start` on is slower than they come, the last find room only as it goes. */
  hold(beats: number, start: number, compute: number): void {
    const late = beats - this.#p.prefetchBeats;
    if (late > 0) this.free = Math.max(this.free, start + Math.floor((compute * late) / beats));
  }
}

/**
 * The schedule of one job (docs/timing.md): descriptors compute in order; HBM fetches in the same order, ahead of
 * the computing by at most the prefetch buffer, except that a cache is fetched only once it is written. The same
 * whole numbers as `timing::Schedule` of hls/include/accllm/timing.hpp; a test compares the two.
 */
export class Schedule {
  readonly #p: TimingParameters;
  /** When the last descriptor's results are there. */
  #end = 0;
  readonly #weights: Stream;
  readonly #cache: Stream;
  #started = false;
  /** When the queries of the next attention were complete, where that was before k and v. */
  #queriesAt: number | undefined;

  constructor(parameters: TimingParameters) {
    this.#p = parameters;
    this.#weights = new Stream(parameters);
    this.#cache = parameters.sharedChannels ? this.#weights : new Stream(parameters);
  }

  /** Length of the schedule so far, in cycles. */
  get end(): number {
    return this.#end;
  }

  /**
   * Executes a descriptor's work: one item, for attention one a token, none where it has nothing to do.
   * @returns by how many cycles the end of the schedule moves; their sum is the schedule's length
   */
  cycles(items: readonly Work[]): number {
    const before = this.#end;
    if (!this.#started) this.#end = this.#p.jobLatency;
    this.#started = true;
    for (const item of items) this.#advance(item);
    return this.#end - before;
  }

  #advance(work: Work): void {
    if (work.kind === "matrix") this.#matrix(work);
    else if (work.kind === "attention") this.#attention(work);
    else this.#end += work.before + this.#p.elementwiseLatency;
  }

  #matrix({ beats, compute, feed, keys }: Work & { kind: "matrix" }): void {
    const { matrixLatency } = this.#p;
    if (keys) this.#queriesAt = this.#end;
    const start = this.#end + feed;
    const arrived = this.#weights.fetch(beats, start);
    this.#end = Math.max(start + compute, arrived) + matrixLatency;
    this.#weights.hold(beats, start, compute);
  }

  #attention(work: Work & { kind: "attention" }): void {
    const { cacheWriteLatency, attentionLatency } = this.#p;
    // Keys of this token are in the cache only when the descriptor before has ended.
    const start = this.#end;
    const query = start + work.before;
    const early = work.ahead ? this.#queriesAt : undefined;
    const mean = (early === undefined ? query : early + work.before) + work.mean;
    this.#queriesAt = undefined;
    const keys = this.#cache.fetch(work.keyBeats, query, start + cacheWriteLatency);
    this.#cache.hold(work.keyBeats, query, work.keyCompute);
    const values = Math.max(query + work.keyCompute, mean, keys) + work.exponentials;
    const arrived = this.#cache.fetch(work.valueBeats, values, start);
    this.#cache.hold(work.valueBeats, values, work.valueCompute);
    this.#end = Math.max(values + work.valueCompute, arrived) + work.behind + attentionLatency;
  }
}
