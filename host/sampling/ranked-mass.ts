import { expNonPositive } from "./exp.ts";
import { allIds, ranksBefore } from "./order.ts";
import { addWeights, forEachBlock, type Scores, type Weighting, widenRange } from "./scores.ts";

/** Buckets of equal width between the highest and the lowest score. */
const BUCKETS = 1024;
/** The bucket of what has no rank. */
const NOWHERE = BUCKETS;

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
 * A sum is that of the buckets before it, each summed by ascending id, and of the same within its bucket. Its memory
 * serves every token.
 */
export class RankedMass {
  #scores: Scores = new Float32Array(0);
  #weighting: Weighting = { highest: 0, temperature: 1 };
  #bucketOf = new Uint16Array(0);
  #masses = new Float64Array(0);
  /** All that have a rank in order, where they are few or too close to be told apart by division. */
  #walked: ArrayLike<number> | undefined;
  /** Sum of all weights, by bucket. */
  total = 0;
  /** Sum of the weights of at least `least`, by blocks of ascending ids. */
  likely = 0;

  /**
   * Takes up scores, one per id; they must stay as they are until the next call. An id of weight 0 has no rank; at least
   * one must have one.
   * @param least what a weight needs to count as likely
   * @returns itself
   */
  deal(scores: Scores, weighting: Weighting, least = 0): this {
    this.#scores = scores;
    this.#weighting = weighting;
    if (this.#bucketOf.length !== scores.length) {
      this.#bucketOf = new Uint16Array(scores.length);
      this.#masses = new Float64Array(BUCKETS);
    }
    const range = { highest: Number.NEGATIVE_INFINITY, lowest: Number.POSITIVE_INFINITY };
    forEachBlock(scores.length, (start, end) => widenRange(range, scores, start, end));
    const { highest, lowest } = range;
    const perScore = (BUCKETS - 1) / (highest - lowest);
    const walked = scores.length <= SORTED || perScore === Number.POSITIVE_INFINITY;
    const [bucketOf, masses] = [this.#bucketOf, this.#masses.fill(0)];
    const grid = { highest, perScore: walked ? 0 : perScore };
    this.likely = 0;
    forEachBlock(scores.length, (start, end) => {
      this.likely += dealOut(scores, start, end, weighting, grid, least, bucketOf, masses);
    });
    this.total = masses.reduce((sum, mass) => sum + mass, 0);
    this.#walked = undefined;
    if (walked) {
      const ids = allIds(scores.length).filter((id) => bucketOf[id] !== NOWHERE);
      this.#walked = highest === lowest ? ids : ids.sort((a, b) => (ranksBefore(scores, a, b) ? -1 : 1));
    }
    return this;
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
    return this.#walked === undefined
      ? this.#placeInBuckets(isEnough)
      : this.#placeAmong(this.#walked, isEnough);
  }

  #placeAmong(ids: ArrayLike<number>, isEnough: (sum: number) => boolean): RankedPlace {
    let through = 0;
    let id = 0;
    for (let i = 0; i < ids.length; i++) {
      id = ids[i]!;
      through = addWeights(through, this.#scores, id, id + 1, this.#weighting);
      if (isEnough(through)) break;
    }
    return { id, through };
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
    const ids = this.#idsIn(last);
    const scores = this.#scores;
    // Of the same kind as all scores, so that the compiled loops above serve one kind only.
    const among =
      scores instanceof Float32Array ? new Float32Array(ids.length) : new Float64Array(ids.length);
    for (let i = 0; i < ids.length; i++) among[i] = scores[ids[i]!]!;
    const inside = new RankedMass().deal(among, this.#weighting);
    const place = inside.#place((sum) => isEnough(before + sum));
    return { id: ids[place.id]!, through: before + place.through };
  }

  #idsIn(bucket: number): readonly number[] {
    const bucketOf = this.#bucketOf;
    const ids: number[] = [];
    for (let id = bucketOf.indexOf(bucket); id >= 0; id = bucketOf.indexOf(bucket, id + 1)) ids.push(id);
    return ids;
  }
}

/** Puts ids into buckets and adds their weights to the buckets' masses. @returns the sum of weights of at least `least` */
function dealOut(
  scores: Scores,
  start: number,
  end: number,
  { highest, temperature }: Weighting,
  grid: { readonly highest: number; readonly perScore: number },
  least: number,
  bucketOf: Uint16Array,
  masses: Float64Array,
): number {
  const { highest: top, perScore } = grid;
  let likely = 0;
  for (let id = start; id < end; id++) {
    const score = scores[id]!;
    const weight = expNonPositive((score - highest) / temperature);
    if (weight === 0) {
      bucketOf[id] = NOWHERE;
      continue;
    }
    const bucket = ((top - score) * perScore) | 0;
    bucketOf[id] = bucket;
    masses[bucket]! += weight;
    if (weight >= least) likely += weight;
  }
  return likely;
}
