import { ranksBefore } from "./order.ts";
import { BUCKETS } from "./simd/frame.ts";
import type { PlacedScores, Weighting } from "./simd/placed-scores.ts";

/** So many ids or fewer are sorted instead of being dealt out again. */
const SORTED = 32;

/** A place in the ranking: an id and the sum of all weights from the best id to it. */
export interface RankedPlace {
  readonly id: number;
  readonly through: number;
}

/**
 * Weights summed in order of rank (higher score first, lower id first among equals), without sorting: ids are dealt
 * out into buckets of equal width between the highest and the lowest score, whose order is that of rank, and only the
 * bucket in which a sum ends is looked into. A sum is that of the buckets before it, each summed by ascending id, and of
 * the same within its bucket.
 */
export class RankedMass {
  readonly #scores: PlacedScores;
  readonly #weighting: Weighting;
  /** All that have a rank in order, where they are few or too close to be told apart by division. */
  readonly #walked: ArrayLike<number> | undefined;
  /** Sum of all weights, by bucket. */
  readonly total: number;
  /** Sum of the weights of at least `least`, by blocks of ascending ids. */
  readonly likely: number;

  /**
   * @param placed stay where they are as long as this is used. An id of weight 0 has no rank; at least one must have one
   * @param least what a weight needs to count as likely
   */
  constructor(placed: PlacedScores, weighting: Weighting, least = 0) {
    this.#scores = placed;
    this.#weighting = weighting;
    const { scores } = placed;
    const top = scores[placed.best()]!;
    const lowest = placed.lowest();
    const perScore = (BUCKETS - 1) / (top - lowest);
    const walked = scores.length <= SORTED || perScore === Number.POSITIVE_INFINITY;
    this.likely = placed.deal(weighting, { top, perScore: walked ? 0 : perScore, least });
    const { masses } = placed;
    let total = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) total += masses[bucket]!;
    this.total = total;
    if (walked) {
      const ids = placed.dealtIds();
      this.#walked = top === lowest ? ids : ids.sort((a, b) => (ranksBefore(scores, a, b) ? -1 : 1));
    }
  }

  /** The id that a part of the likely weights falls into that top-p leaves. */
  draw(topP: number, part: number): number {
    const whole = topP < 1 ? this.placeAt(topP * this.total).through : this.total;
    return this.placeOver(part * Math.min(whole, this.likely)).id;
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
    const { scores } = this.#scores;
    let through = 0;
    let id = 0;
    let score = Number.NaN;
    let weight = 0;
    for (let i = 0; i < ids.length; i++) {
      id = ids[i]!;
      // All of them may be equal.
      if (scores[id] !== score) weight = this.#scores.addWeights(0, id, id + 1, this.#weighting);
      score = scores[id]!;
      through += weight;
      if (isEnough(through)) break;
    }
    return { id, through };
  }

  #placeInBuckets(isEnough: (sum: number) => boolean): RankedPlace {
    const { masses } = this.#scores;
    let through = 0;
    let before = 0;
    let last = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const mass = masses[bucket]!;
      if (mass === 0) continue;
      last = bucket;
      before = through;
      through += mass;
      if (isEnough(through)) break;
    }
    const ids = this.#scores.idsIn(last);
    if (ids.length === 1) return { id: ids[0]!, through };
    const inside = new RankedMass(this.#scores.among(ids), this.#weighting);
    const place = inside.#place((sum) => isEnough(before + sum));
    return { id: ids[place.id]!, through: before + place.through };
  }
}
