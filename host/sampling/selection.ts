/**
 * Partial selection over token ids, so that a vocabulary of 128,000 is never sorted. The order is total: higher
 * score first, and the lower id first among equal scores, so that the result does not depend on the method.
 */
export function ranksBefore(scores: ArrayLike<number>, a: number, b: number): boolean {
  const x = scores[a]!;
  const y = scores[b]!;
  return x > y || (x === y && a < b);
}

/** Id of the highest score, the lowest among equals. */
export function argmax(scores: ArrayLike<number>): number {
  let best = 0;
  for (let id = 1; id < scores.length; id++) if (scores[id]! > scores[best]!) best = id;
  return best;
}

/** Ids in a lazily sorted order: only the front that somebody asks for is selected and sorted. */
export class RankedIds {
  readonly #scores: ArrayLike<number>;
  readonly #ids: Uint32Array;
  #sorted = 0;

  /** @param scores one finite or -Infinity score per id. */
  constructor(scores: ArrayLike<number>) {
    this.#scores = scores;
    this.#ids = new Uint32Array(scores.length);
    for (let id = 0; id < scores.length; id++) this.#ids[id] = id;
  }

  get length(): number {
    return this.#ids.length;
  }

  /** The id of the given rank (0 is the best). Sorts ahead in blocks of growing size. */
  at(rank: number): number {
    if (rank >= this.#sorted) this.#sortTo(Math.max(rank + 1, this.#sorted * 4, 64));
    return this.#ids[rank]!;
  }

  /** The best `count` ids in order (all where there are fewer). A view, valid until the next call. */
  first(count: number): Uint32Array {
    const end = Math.min(count, this.length);
    if (end > this.#sorted) this.#sortTo(end);
    return this.#ids.subarray(0, end);
  }

  #sortTo(wanted: number): void {
    const end = Math.min(wanted, this.length);
    if (end < this.length) quickselect(this.#scores, this.#ids, this.#sorted, end);
    const block = this.#ids.subarray(this.#sorted, end);
    block.sort((a, b) => (ranksBefore(this.#scores, a, b) ? -1 : 1));
    this.#sorted = end;
  }
}

/** Reorders ids[from..] so that the best end - from of them lie in from..end-1, in no order. Hoare's method. */
function quickselect(scores: ArrayLike<number>, ids: Uint32Array, from: number, end: number): void {
  let low = from;
  let high = ids.length - 1;
  const k = end - 1;
  while (low < high) {
    const pivot = medianOfThree(scores, ids[low]!, ids[(low + high) >>> 1]!, ids[high]!);
    let i = low;
    let j = high;
    while (i <= j) {
      while (ranksBefore(scores, ids[i]!, pivot)) i++;
      while (ranksBefore(scores, pivot, ids[j]!)) j--;
      if (i > j) break;
      const swap = ids[i]!;
      ids[i++] = ids[j]!;
      ids[j--] = swap;
    }
    if (k <= j) high = j;
    else if (k >= i) low = i;
    else return;
  }
}

function medianOfThree(scores: ArrayLike<number>, a: number, b: number, c: number): number {
  const ab = ranksBefore(scores, a, b);
  const bc = ranksBefore(scores, b, c);
  const ac = ranksBefore(scores, a, c);
  if (ab === bc) return b;
  return ab === ac ? c : a;
}
