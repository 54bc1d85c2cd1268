import type { TimingParameters } from "../../../quant/format/timing.ts";
import type { Work } from "../schedule.ts";
import { Fifo, type Process, Simulator } from "./events.ts";

/** Share of an interval by which a busy channel puts a refresh off at most; JESD235 allows some intervals. */
const postponed = 0.9;

/**
 * Runs work items through the dataflow event by event: a fetcher a channel that requests bursts as its FIFO has
 * room, channels that stop for refresh at times of their own, read latency, and the engines in order.
 * @param slack how far a refresh is put off at most, as a share of the interval; how far it is, is drawn
 * @returns cycles until the last result
 */
export function simulate(items: readonly Work[], p: TimingParameters, slack = postponed): number {
  const sim = new Simulator();
  const written = Array.from({ length: p.refreshTimes }, () => new Fifo(Number.POSITIVE_INFINITY));
  const fifos = Array.from({ length: p.refreshTimes }, () => new Fifo(p.prefetchBeats));
  const cacheFifos = fifos.map(() => new Fifo(p.cacheBeats));
  for (let c = 0; c < p.refreshTimes; c++) {
    const into = { matrix: fifos[c]!, attention: cacheFifos[c]!, permits: written[c]! };
    const queues = p.sharedChannels
      ? [items]
      : (["matrix", "attention"] as const).map((kind) => items.filter((item) => item.kind === kind));
    for (const queue of queues) sim.start(fetcher(sim, queue, into, new Channel(p, c, slack), p));
  }
  let end = 0;
  sim.start(
    engines(sim, items, fifos, cacheFifos, written, p, (time) => {
      end = time;
    }),
  );
  sim.run();
  return end;
}

/** A pseudo channel: beats at the peak rate, none during a refresh. It stands for those that refresh when it does. */
class Channel {
  readonly #cyclesPerBeat: number;
  readonly #interval: number;
  readonly #refresh: number;
  readonly #slack: number;
  #due: number;
  #nextRefresh: number;
  #random: number;

  constructor(p: TimingParameters, index: number, slack: number) {
    const working = 1 - p.refreshCycles / p.refreshInterval;
    this.#cyclesPerBeat = (working * 10_000) / p.beatsPer10kCycles;
    this.#interval = p.refreshInterval;
    this.#refresh = p.refreshCycles;
    this.#slack = slack * p.refreshInterval;
    this.#due = (index / p.refreshTimes) * p.refreshInterval;
    this.#nextRefresh = this.#due;
    this.#random = index + 1;
  }

  /** The next refresh, put off by a drawn time (the generator of Park and Miller). */
  #refreshed(): void {
    this.#due += this.#interval;
    this.#random = (this.#random * 48_271) % 2_147_483_647;
    this.#nextRefresh = this.#due + (this.#random / 2_147_483_647) * this.#slack;
  }

  /** Cycles that a burst takes which starts now. */
  burst(now: number, beats: number): number {
    // Refreshes that were due while the channel was idle cost nothing.
    while (this.#nextRefresh + this.#refresh < now) this.#refreshed();
    let time = now;
    let left = beats * this.#cyclesPerBeat;
    while (time + left > this.#nextRefresh) {
      left -= Math.max(0, this.#nextRefresh - time);
      time = this.#nextRefresh + this.#refresh;
      this.#refreshed();
    }
    return time + left - now;
  }
}

function* bursts(beats: number, size: number): Generator<number> {
  for (let left = beats; left > 0; left -= size) yield Math.min(size, left);
}

function* fetcher(
  sim: Simulator,
  items: readonly Work[],
  into: { readonly matrix: Fifo; readonly attention: Fifo; readonly permits: Fifo },
  channel: Channel,
  p: TimingParameters,
): Process {
  yield p.jobLatency;
  for (const item of items) {
    if (item.kind === "elementwise") continue;
    const fifo = into[item.kind];
    // The cache of this token is written when the descriptor before has ended.
    if (item.kind === "attention") yield { take: into.permits, beats: 1 };
    // The block of this token is read, changed and written first.
    if (item.kind === "attention") yield p.cacheWriteLatency;
    for (const part of item.kind === "attention" ? [item.keyBeats, item.valueBeats] : [item.beats]) {
      for (const beats of bursts(part, p.burstBeats)) {
        yield { room: fifo, beats };
        yield channel.burst(sim.now, beats);
        sim.at(p.readLatency, () => sim.deliver(fifo, beats));
      }
    }
  }
}

function* engines(
  sim: Simulator,
  items: readonly Work[],
  fifos: readonly Fifo[],
  cacheFifos: readonly Fifo[],
  written: readonly Fifo[],
  p: TimingParameters,
  finish: (time: number) => void,
): Process {
  yield p.jobLatency;
  /** When the queries of the next attention were complete, where that was before k and v. */
  let queriesAt: number | undefined;
  for (const item of items) {
    if (item.kind === "elementwise") {
      yield item.before + p.elementwiseLatency;
    } else if (item.kind === "matrix") {
      if (item.keys) queriesAt = sim.now;
      if (item.feed > 0) yield item.feed;
      yield* consume(sim, fifos, item.beats, item.compute, p);
      yield p.matrixLatency;
    } else {
      for (const permits of written) sim.deliver(permits, 1);
      const made = (item.ahead ? (queriesAt ?? sim.now) : sim.now) + item.before;
      const meanEnd = made + item.mean;
      queriesAt = undefined;
      if (made > sim.now) yield made - sim.now;
      yield* consume(sim, cacheFifos, item.keyBeats, item.keyCompute, p);
      if (meanEnd > sim.now) yield meanEnd - sim.now;
      yield item.exponentials;
      yield* consume(sim, cacheFifos, item.valueBeats, item.valueCompute, p);
      yield item.behind + p.attentionLatency;
    }
    finish(sim.now);
  }
}

/** Takes the same beats from every channel and works on them for `cycles` in all. */
function* consume(
  sim: Simulator,
  fifos: readonly Fifo[],
  beats: number,
  cycles: number,
  p: TimingParameters,
): Process {
  for (const size of bursts(beats, p.burstBeats)) {
    for (const fifo of fifos) yield { take: fifo, beats: size };
    yield (cycles * size) / beats;
    for (const fifo of fifos) sim.release(fifo, size);
  }
}
