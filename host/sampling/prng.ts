/**
 * xoshiro128** 1.1 (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021), seeded by
 * SplitMix64 as its authors advise: of two SplitMix64 outputs the low and then the high 32 bits fill the four
 * state words. Only 32-bit integer operations, so a seed gives the same sequence on every machine.
 */
export class Xoshiro128 {
  readonly #state: Uint32Array;

  /** @param seed integer in 0..2^53-1; other values are the caller's mistake. */
  constructor(seed: number) {
    if (!Number.isSafeInteger(seed) || seed < 0) throw new RangeError(`seed ${seed} is not in 0..2^53-1`);
    this.#state = new Uint32Array(4);
    let counter = BigInt(seed);
    for (let i = 0; i < 4; i += 2) {
      counter = BigInt.asUintN(64, counter + 0x9e3779b97f4a7c15n);
      const word = splitMix64(counter);
      this.#state[i] = Number(word & 0xffffffffn);
      this.#state[i + 1] = Number(word >> 32n);
    }
  }

  /** The next 32 random bits as an unsigned integer. */
  nextUint32(): number {
    const s = this.#state;
    const result = Math.imul(rotateLeft(Math.imul(s[1]!, 5), 7), 9) >>> 0;
    const shifted = s[1]! << 9;
    s[2]! ^= s[0]!;
    s[3]! ^= s[1]!;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= shifted;
    s[3] = rotateLeft(s[3]!, 11);
    return result;
  }

  /** Uniform in [0, 1) with 53 random bits: the upper 27 of one output, then the upper 26 of the next. */
  nextDouble(): number {
    const high = this.nextUint32() >>> 5;
    const low = this.nextUint32() >>> 6;
    return (high * 0x4000000 + low) / 0x20000000000000;
  }
}

/** A seed for when the user names none. The only use of the platform's generator; the choice is reported. */
export function randomSeed(): number {
  return Math.floor(Math.random() * 0x100000000);
}

function splitMix64(counter: bigint): bigint {
  let z = counter;
  z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  return z ^ (z >> 31n);
}

function rotateLeft(x: number, k: number): number {
  return (x << k) | (x >>> (32 - k));
}
