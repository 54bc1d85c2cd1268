/** A sequence whose keys and values are in a cache, as far as sinks and ring keep them. */
export interface CachedSequence {
  /** Token ids by position. */
  readonly ids: ArrayLike<number>;
  /** One past the highest position that was written since the cache was last given up, at least `ids.length`. */
  readonly written: number;
}

export interface CacheShape {
  /** Positions that stay in the cache for good, and the latest ones that a token attends to. */
  readonly sinks: number;
  readonly window: number;
  /** Slots behind the sinks; a position lies in slot (position - sinks) mod ring. */
  readonly ring: number;
}

/**
 * Tokens of a prompt that need not be run: the length of the common beginning, if what the next token attends to has
 * not been overwritten since; else 0.
 * @param most never more than this: the last token is always run, because its logits are wanted
 */
export function reusableTokens(
  { ids, written }: CachedSequence,
  prompt: readonly number[],
  most: number,
  shape: CacheShape,
): number {
  const end = Math.min(most, ids.length);
  let common = 0;
  while (common < end && prompt[common] === ids[common]) common++;
  return canRewind(written, common, shape) ? common : 0;
}

/** Whether all that a token at `position` attends to is still in the cache. */
export function canRewind(written: number, position: number, { sinks, window, ring }: CacheShape): boolean {
  return Math.max(sinks, position + 1 - window) + ring >= written;
}
