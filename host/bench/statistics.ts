/** Mean, sample standard deviation (n - 1; 0 for one value) and the highest of some rates. */
export interface RateSummary {
  readonly tokensPerSecond: number;
  readonly sd: number;
  /** The fastest repetition: what the machine does when nobody disturbs it. */
  readonly best: number;
}

/** @param rates at least one */
export function summarizeRates(rates: readonly number[]): RateSummary {
  if (rates.length === 0) throw new RangeError("there are no rates to summarize");
  const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
  const squares = rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0);
  return {
    tokensPerSecond: mean,
    sd: rates.length === 1 ? 0 : Math.sqrt(squares / (rates.length - 1)),
    best: Math.max(...rates),
  };
}

/** The value in the middle; the mean of the two middle ones of an even number. @param values at least one */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}
