/** A seeded stream of numbers that is the same everywhere (splitmix32); for test models, not for sampling. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Integer in 0 .. 2^32 - 1. */
  word(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  }

  /** Integer in 0 .. count - 1. */
  below(count: number): number {
    return Math.floor((this.word() / 2 ** 32) * count);
  }

  /** Integer in least .. most. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  chance(probability: number): boolean {
    return this.word() < probability * 2 ** 32;
  }

  /** Close to a standard normal number: twelve uniform ones added up, so that no libm function is involved. */
  normal(): number {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += this.word() / 2 ** 32;
    return sum;
  }
}
