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
      /** The descriptor's first token, whose queries are made before k and v. */
      readonly ahead: boolean;
    }
  | { readonly kind: "elementwise"; readonly before: number };

/** Cycles in which an HBM channel delivers `beats`. */
export function transfer(beats: number, { beatsPer10kCycles }: TimingParameters): number {
  return Math.ceil((beats * 10_000) / beatsPer10kCycles);
}

/** Channels that work side by side, alike: when they have delivered all that was asked of them. */
interface Wire {
  free: number;
}

/** What an engine takes from a FIFO: so many beats, from a time on, in so many cycles if it never waits. */
interface Use {
  readonly beats: number;
  readonly start: number;
  readonly compute: number;
}

/** The beats of weights or of the cache through the FIFO between a channel and its engines. */
class Fifo {
  readonly #p: TimingParameters;
  readonly #wire: Wire;
  readonly #depth: number;
  #beats = 0;
  /** Least distance of an arrival from the time that the beats up to it take on the wire. */
  #lag = Number.NEGATIVE_INFINITY;

  constructor(parameters: TimingParameters, wire: Wire, depth: number) {
    this.#p = parameters;
    this.#wire = wire;
    this.#depth = depth;
  }

  /**
   * Fetches the beats of a use, no earlier than `earliest`. When the use starts the FIFO holds at most its depth, of these
   * beats and later ones; so the n-th beat from here on comes (n - depth) beats later, or as requests find room.
   * @returns when the engine is done with them
   */
  take(use: Use, earliest = 0): number {
    const { beats, start, compute } = use;
    const p = this.#p;
    const wire = this.#wire;
    this.#lag = Math.max(this.#lag, start - transfer(this.#beats + this.#depth, p));
    this.#beats += beats;
    const asked = Math.max(wire.free, earliest);
    const begun = Math.max(start, asked + transfer(Math.min(beats, p.burstBeats), p) + p.readLatency);
    wire.free = Math.max(asked + transfer(beats, p), transfer(this.#beats, p) + this.#lag);
    const late = beats - this.#depth;
    if (late > 0) wire.free = Math.max(wire.free, start + this.#shallow(late, use));
    const done = Math.max(begun + compute, wire.free + p.readLatency);
    // Where the engine is slower than its beats come, the last of them find room only as it goes.
    if (late > 0) wire.free = Math.max(wire.free, begun + Math.floor((compute * late) / beats));
    return done;
  }

  /**
   * Cycles until the last of `late` beats, for which the FIFO has no room at first, is on its way. A request's room is
   * taken until its beats are worked off, so that no more than the FIFO has room for can be made in such a round trip; and
   * a FIFO that covers nothing else passes the channels' refreshes on to the engine. Half of them: while it waits for one
   * channel, the others catch up. The half is fitted to the simulation.
   */
  #shallow(late: number, { beats, compute }: Use): number {
    const { burstBeats, readLatency, refreshInterval, refreshCycles, refreshTimes } = this.#p;
    const burst = transfer(burstBeats, this.#p);
    const peak = Math.floor((burst * (refreshInterval - refreshCycles)) / refreshInterval);
    const array = Math.ceil((compute * burstBeats) / beats);
    const trip = peak + readLatency + array;
    const requests = Math.floor(this.#depth / burstBeats);
    const pace = Math.max(peak, array, Math.ceil(trip / requests));
    // A refresh costs nothing while no request is made, nor what the FIFO has in store.
    const share = Math.min(2 * trip, 2 * requests * peak + refreshCycles);
    const stopped = Math.floor((refreshCycles * share) / (2 * trip)) - (requests * pace - trip);
    const lost = refreshTimes * Math.floor(Math.max(0, stopped) / 2);
    const paced = Math.ceil((late * pace * refreshInterval) / (burstBeats * (refreshInterval - lost)));
    return paced + burst + array;
  }
}

/**
 * The schedule of one job (docs/timing.md): descriptors compute in order; HBM fetches in the same order, ahead of
 * the computing by at most what the FIFOs hold, except that a cache is fetched only once it is written. The same
 * whole numbers as `timing::Schedule` of hls/include/accllm/timing.hpp; a test compares the two.
 */
export class Schedule {
  readonly #p: TimingParameters;
  /** When the last descriptor's results are there. */
  #end = 0;
  readonly #weights: Fifo;
  readonly #cache: Fifo;
  #started = false;
  /** When the queries of the next attention were complete, where that was before k and v. */
  #queriesAt: number | undefined;

  constructor(parameters: TimingParameters) {
    this.#p = parameters;
    const { jobLatency, prefetchBeats, cacheBeats, sharedChannels } = parameters;
    const wire = { free: jobLatency };
    this.#weights = new Fifo(parameters, wire, prefetchBeats);
    this.#cache = new Fifo(parameters, sharedChannels ? wire : { free: jobLatency }, cacheBeats);
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
    this.#end = this.#weights.take({ beats, start: this.#end + feed, compute }) + matrixLatency;
  }

  #attention(work: Work & { kind: "attention" }): void {
    const { cacheWriteLatency, attentionLatency } = this.#p;
    // Keys of this token are in the cache only when the descriptor before has ended.
    const start = this.#end;
    const made = (work.ahead ? (this.#queriesAt ?? start) : start) + work.before;
    this.#queriesAt = undefined;
    const keys = { beats: work.keyBeats, start: Math.max(start, made), compute: work.keyCompute };
    const multiplied = this.#cache.take(keys, start + cacheWriteLatency);
    const scored = Math.max(multiplied, made + work.mean) + work.exponentials;
    const values = { beats: work.valueBeats, start: scored, compute: work.valueCompute };
    this.#end = this.#cache.take(values, start) + work.behind + attentionLatency;
  }
}
