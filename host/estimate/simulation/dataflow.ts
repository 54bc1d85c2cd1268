import { burstEfficiency, type TimingParameters } from "../../../quant/format/timing.ts";
import type { Work } from "../schedule.ts";
import { Fifo, type Process, Simulator } from "./events.ts";

/** How HBM behaves in the simulation; the closed form knows only its average. */
export interface HbmBehaviour {
  /** Channels that are simulated; the array waits for all of them. */
  readonly channels: number;
  /** Beats of a request; the ports ask for 64 at once. */
  readonly burstBeats: number;
  /** Cycles from refresh to refresh. */
  readonly refreshInterval: number;
}

/** Between refreshes of HBM2 (tREFI of JESD235). */
const refreshMicroseconds = 3.9;

/** The channels behind a kernel of this clock. */
export function hbmAt(clockMHz: number): HbmBehaviour {
  return { channels: 4, burstBeats: 64, refreshInterval: refreshMicroseconds * clockMHz };
}

/**
 * Runs work items through the dataflow event by event: a fetcher a channel that requests bursts as its FIFO has
 * room, channels that stop for refresh at phases of their own, read latency, and the engines in order. The refresh
 * is what the channel's average lacks to its peak: 0.3 us, within what HBM2 dies need (tRFC of 0.26 to 0.35 us).
 * @returns cycles until the last result
 */
export function simulate(items: readonly Work[], p: TimingParameters, hbm: HbmBehaviour): number {
  const sim = new Simulator();
  const written = Array.from({ length: hbm.channels }, () => new Fifo(Number.POSITIVE_INFINITY));
  const fifos = Array.from({ length: hbm.channels }, () => new Fifo(p.prefetchBeats));
  const cacheFifos = p.sharedChannels ? fifos : fifos.map(() => new Fifo(p.prefetchBeats));
  for (let c = 0; c < hbm.channels; c++) {
    const phase = (c / hbm.channels) * hbm.refreshInterval;
    const permits = written[c]!;
    if (p.sharedChannels) {
      sim.start(fetcher(sim, items, fifos[c]!, permits, new Channel(p, hbm, phase), p, hbm));
    } else {
      const weights = items.filter(({ kind }) => kind === "matrix");
      const caches = items.filter(({ kind }) => kind === "attention");
      sim.start(fetcher(sim, weights, fifos[c]!, permits, new Channel(p, hbm, phase), p, hbm));
      sim.start(fetcher(sim, caches, cacheFifos[c]!, permits, new Channel(p, hbm, phase), p, hbm));
    }
  }
  let end = 0;
  sim.start(
    engines(sim, items, fifos, cacheFifos, written, p, hbm, (time) => {
      end = time;
    }),
  );
  sim.run();
  return end;
}

/** A pseudo channel: beats at the peak rate, none during a refresh. */
class Channel {
  readonly #cyclesPerBeat: number;
  readonly #interval: number;
  readonly #refresh: number;
  #nextRefresh: number;

  constructor(p: TimingParameters, hbm: HbmBehaviour, phase: number) {
    this.#cyclesPerBeat = (burstEfficiency * 10_000) / p.beatsPer10kCycles;
    this.#interval = hbm.refreshInterval;
    this.#refresh = hbm.refreshInterval * (1 - burstEfficiency);
    this.#nextRefresh = phase;
  }

  /** Cycles that a burst takes which starts now. */
  burst(now: number, beats: number): number {
    // Refreshes that were due while the channel was idle cost nothing.
    while (this.#nextRefresh + this.#refresh < now) this.#nextRefresh += this.#interval;
    let time = now;
    let left = beats * this.#cyclesPerBeat;
    while (time + left > this.#nextRefresh) {
      left -= Math.max(0, this.#nextRefresh - time);
      time = this.#nextRefresh + this.#refresh;
      this.#nextRefresh += this.#interval;
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
  fifo: Fifo,
  permits: Fifo,
  channel: Channel,
  p: TimingParameters,
  hbm: HbmBehaviour,
): Process {
  yield p.jobLatency;
  for (const item of items) {
    if (item.kind === "elementwise") continue;
    // The cache of this token is written when the descriptor before has ended.
    if (item.kind === "attention") yield { take: permits, beats: 1 };
    // The block of this token is read, changed and written first.
    if (item.kind === "attention") yield p.cacheWriteLatency;
    for (const part of item.kind === "attention" ? [item.keyBeats, item.valueBeats] : [item.beats]) {
      for (const beats of bursts(part, hbm.burstBeats)) {
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
  hbm: HbmBehaviour,
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
      yield* consume(sim, fifos, item.beats, item.compute, hbm);
      yield p.matrixLatency;
    } else {
      for (const permits of written) sim.deliver(permits, 1);
      yield item.before;
      const early = item.ahead ? queriesAt : undefined;
      const meanEnd = (early === undefined ? sim.now : early + item.before) + item.mean;
      queriesAt = undefined;
      yield* consume(sim, cacheFifos, item.keyBeats, item.keyCompute, hbm);
      if (meanEnd > sim.now) yield meanEnd - sim.now;
      yield item.exponentials;
      yield* consume(sim, cacheFifos, item.valueBeats, item.valueCompute, hbm);
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
  hbm: HbmBehaviour,
): Process {
  for (const size of bursts(beats, hbm.burstBeats)) {
    for (const fifo of fifos) yield { take: fifo, beats: size };
    yield (cycles * size) / beats;
    for (const fifo of fifos) sim.release(fifo, size);
  }
}
