import { ranksBefore } from "./selection.ts";

/** Buckets of equal width between the highest and the lowest score. */
const BUCKETS = 1024;

/** So many ids or fewer are sorted instead of being dealt out again. */
const SORTED = 32;

/** A place in the ranking: an id and the sum of all weights from the best id to it. */
export interface RankedPlace {
  readonly id: number;
  readonly through: number;
}

/**
 * Weights summed in order of rank (higher score first, lower id first among equals), without sorting: ids are dealt
 * out into buckets by their score, whose order is that of rank, and only the bucket in which a sum ends is looked into.
 * A sum is that of the buckets before it, each summed by ascending id, and of the same within its bucket.
 */
export class RankedMass {
  readonly #scores: ArrayLike<number>;
  readonly #weights: Float64Array;
  readonly #ids: Uint32Array;
  readonly #bucketOf: Uint16Array;
  readonly #masses: Float64Array;
  readonly #sorted: boolean;

  /**
   * @param scores one a token
   * @param weights one a token, falling with the score; a token of weight 0 has no rank
   * @param ids ascending; default all of weight over 0, at least one
   */
  constructor(scores: ArrayLike<number>, weights: Float64Array, ids = weighted(weights)) {
    this.#scores = scores;
    this.#weights = weights;
    let highest = Number.NEGATIVE_INFINITY;
    let lowest = Number.POSITIVE_INFINITY;
    for (const id of ids) {
      const score = scores[id]!;
      if (score > highest) highest = score;
      if (score < lowest) lowest = score;
    }
    const perScore = (BUCKETS - 1) / (highest - lowest);
    // Equal scores rank by id, as they lie; the same is done where scores are too close to be told apart by division.
    this.#sorted = ids.length <= SORTED || perScore === Number.POSITIVE_INFINITY;
    this.#ids = this.#sorted && highest !== lowest ? byRank(scores, ids) : ids;
    this.#bucketOf = new Uint16Array(this.#sorted ? 0 : ids.length);
    this.#masses = new Float64Array(this.#sorted ? 0 : BUCKETS);
    // Local names: a whole vocabulary goes through this loop for every token.
    const [bucketOf, masses] = [this.#bucketOf, this.#masses];
    for (let i = 0; i < bucketOf.length; i++) {
      const id = ids[i]!;
      const bucket = Math.trunc((highest - scores[id]!) * perScore);
      bucketOf[i] = bucket;
      masses[bucket]! += weights[id]!;
    }
  }

  /** The first place whose sum is at least `mass`; the last one where none is. */
  placeAt(mass: number): RankedPlace {
    return this.#place((sum) => sum >= mass);
  }

  /** The first place whose sum is over `mass`; the last one where none is. */
  placeOver(mass: number): RankedPlace {
    return this.#place((sum) => sum > mass);
  }

  #place(isEnough: (sum: number) => boolean): RankedPlace {
    return this.#sorted ? this.#placeSorted(isEnough) : this.#placeInBuckets(isEnough);
  }

  #placeSorted(isEnough: (sum: number) => boolean): RankedPlace {
    let through = 0;
    for (const id of this.#ids) {
      through += this.#weights[id]!;
      if (isEnough(through)) return { id, through };
    }
    return { id: this.#ids.at(-1)!, through };
  }

  #placeInBuckets(isEnough: (sum: number) => boolean): RankedPlace {
    let through = 0;
    let before = 0;
    let last = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const mass = this.#masses[bucket]!;
      if (mass === 0) continue;
      last = bucket;
      before = through;
      through += mass;
      if (isEnough(through)) break;
    }
    const inside = new RankedMass(this.#scores, this.#weights, this.#idsIn(last));
    const place = inside.#place((sum) => isEnough(before + sum));
    return { id: place.id, through: before + place.through };
  }

  #idsIn(bucket: number): Uint32Array {
    const [all, bucketOf] = [this.#ids, this.#bucketOf];
    const ids = new Uint32Array(all.length);
    let count = 0;
    for (let i = 0; i < all.length; i++) if (bucketOf[i] === bucket) ids[count++] = all[i]!;
    return ids.subarray(0, count);
  }
}

function weighted(weights: Float64Array): Uint32Array {
  const ids = new Uint32Array(weights.length);
  let count = 0;
  for (let id = 0; id < weights.length; id++) if (weights[id]! > 0) ids[count++] = id;
  return ids.subarray(0, count);
}

function byRank(scores: ArrayLike<number>, ids: Uint32Array): Uint32Array {
  return Uint32Array.from(ids).sort((a, b) => (ranksBefore(scores, a, b) ? -1 : 1));
}
