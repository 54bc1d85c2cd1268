import type { TimingParameters } from "../../quant/format/timing.ts";

/** What one descriptor asks of the engines and of the busiest HBM channel; as `timing::Work` of hls. */
export type Work =
  | {
      readonly kind: "matrix";
      /** Beats of weights in a channel. */
      readonly beats: number;
      /** Cycles of the array. */
      readonly compute: number;
    }
  | {
      readonly kind: "attention";
      /** Beats of keys in the busiest cache channel, and as many of values. */
      readonly beats: number;
      /** Cycles of the lanes over the keys, and as many over the values. */
      readonly compute: number;
      /** Cycles of the key-mean term. */
      readonly mean: number;
      readonly exponentials: number;
      /** Float units before the keys and behind the values. */
      readonly before: number;
      readonly behind: number;
    }
  | { readonly kind: "elementwise"; readonly before: number };

/** Cycles in which an HBM channel delivers `beats`. */
export function transfer(beats: number, { beatsPer10kCycles }: TimingParameters): number {
  return Math.ceil((beats * 10_000) / beatsPer10kCycles);
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
  /** When the weight and the cache channels have delivered all that was asked of them. */
  #weightsFree: number;
  #cacheFree: number;
  #started = false;

  constructor(parameters: TimingParameters) {
    this.#p = parameters;
    this.#weightsFree = parameters.jobLatency;
    this.#cacheFree = parameters.jobLatency;
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

  #matrix({ beats, compute }: Work & { kind: "matrix" }): void {
    const p = this.#p;
    const start = this.#end;
    const late = Math.max(0, beats - p.prefetchBeats);
    const streamed = this.#weightsFree + transfer(beats, p);
    // The buffer fills before the array starts, and the rest follows as fast as the channel or the array.
    const refilled = start + transfer(late, p);
    const drained = beats === 0 ? start : start + Math.floor((compute * late) / beats);
    const arrived = Math.max(streamed, refilled) + p.readLatency;
    this.#end = Math.max(start + compute, arrived) + p.matrixLatency;
    this.#weightsFree = Math.max(streamed, refilled, drained);
    if (p.sharedChannels) this.#cacheFree = this.#weightsFree;
  }

  #attention(work: Work & { kind: "attention" }): void {
    const p = this.#p;
    const { beats, compute } = work;
    // Keys of this token are in the cache only when the descriptor before has ended.
    const start = this.#end;
    const fetch = Math.max(start, this.#cacheFree);
    const keysIn = fetch + transfer(beats, p) + p.readLatency;
    const query = start + work.before;
    const scores = Math.max(query + compute, keysIn, query + work.mean);
    const values = scores + work.exponentials;
    const streamed = fetch + transfer(2 * beats, p);
    const refilled = values + transfer(Math.max(0, beats - p.prefetchBeats), p);
    const valuesIn = Math.max(streamed, refilled) + p.readLatency;
    this.#end = Math.max(values + compute, valuesIn) + work.behind + p.attentionLatency;
    this.#cacheFree = Math.max(streamed, refilled);
    if (p.sharedChannels) this.#weightsFree = this.#cacheFree;
  }
}
