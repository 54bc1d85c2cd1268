/** What a process waits for: cycles, beats in a FIFO, or room in one. */
export type Wait =
  | number
  | { readonly take: Fifo; readonly beats: number }
  | { readonly room: Fifo; readonly beats: number };
export type Process = Generator<Wait, void, void>;

/** A FIFO of beats. Room is reserved before a read is requested, so that what arrives always fits. */
export class Fifo {
  readonly depth: number;
  /** Beats that have arrived. */
  filled = 0;
  /** Beats asked for and not yet consumed. */
  reserved = 0;
  readonly takers: { readonly beats: number; readonly process: Process }[] = [];
  readonly reservers: { readonly beats: number; readonly process: Process }[] = [];

  constructor(depth: number) {
    this.depth = depth;
  }
}

interface Event {
  readonly time: number;
  readonly order: number;
  readonly action: () => void;
}

/** A discrete-event simulator: processes are generators that yield what they wait for. */
export class Simulator {
  #now = 0;
  #order = 0;
  readonly #heap: Event[] = [];

  get now(): number {
    return this.#now;
  }

  /** Runs `action` in `delay` cycles. */
  at(delay: number, action: () => void): void {
    const heap = this.#heap;
    let i = heap.push({ time: this.#now + delay, order: this.#order++, action }) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!earlier(heap[i]!, heap[parent]!)) break;
      [heap[i], heap[parent]] = [heap[parent]!, heap[i]!];
      i = parent;
    }
  }

  start(process: Process): void {
    this.at(0, () => this.#step(process));
  }

  /** Beats arrive in a FIFO. */
  deliver(fifo: Fifo, beats: number): void {
    fifo.filled += beats;
    this.#serve(fifo);
  }

  /** Beats leave a FIFO for good, which makes room. */
  release(fifo: Fifo, beats: number): void {
    fifo.reserved -= beats;
    this.#serve(fifo);
  }

  /** Runs until nothing happens any more. @returns the time of the last event */
  run(): number {
    for (let event = this.#pop(); event !== undefined; event = this.#pop()) {
      this.#now = event.time;
      event.action();
    }
    return this.#now;
  }

  #step(process: Process): void {
    const { value, done } = process.next();
    if (done) return;
    if (typeof value === "number") {
      this.at(value, () => this.#step(process));
    } else if ("take" in value) {
      value.take.takers.push({ beats: value.beats, process });
      this.#serve(value.take);
    } else {
      value.room.reservers.push({ beats: value.beats, process });
      this.#serve(value.room);
    }
  }

  #serve(fifo: Fifo): void {
    for (let next = fifo.takers[0]; next !== undefined && fifo.filled >= next.beats; next = fifo.takers[0]) {
      fifo.filled -= next.beats;
      fifo.takers.shift();
      this.start(next.process);
    }
    for (
      let next = fifo.reservers[0];
      next !== undefined && fifo.reserved + next.beats <= fifo.depth;
      next = fifo.reservers[0]
    ) {
      fifo.reserved += next.beats;
      fifo.reservers.shift();
      this.start(next.process);
    }
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || first === last) return first;
    heap[0] = last;
    for (let i = 0; ; ) {
      const left = 2 * i + 1;
      if (left >= heap.length) break;
      const right = left + 1;
      const child = right < heap.length && earlier(heap[right]!, heap[left]!) ? right : left;
      if (!earlier(heap[child]!, heap[i]!)) break;
      [heap[i], heap[child]] = [heap[child]!, heap[i]!];
      i = child;
    }
    return first;
  }
}

function earlier(a: Event, b: Event): boolean {
  return a.time < b.time || (a.time === b.time && a.order < b.order);
}
