/** Counts of an FPGA's resources; BRAM in blocks of 36 Kb, URAM in blocks of 288 Kb. */
export interface Resources {
  readonly lut: number;
  readonly ff: number;
  readonly dsp: number;
  readonly bram36: number;
  readonly uram: number;
}

export const resourceNames = ["lut", "ff", "dsp", "bram36", "uram"] as const satisfies (keyof Resources)[];

export interface Card {
  readonly total: Resources;
  /** What AMD's shell takes of it. */
  readonly shell: Resources;
}

/** Share of a resource up to which HLS designs usually close timing on this card; a rule of thumb. */
export const usableShare: Resources = { lut: 0.62, ff: 0.62, dsp: 0.75, bram36: 0.75, uram: 0.75 };

/** AMD's data sheets DS963 (U280) and DS978 (U55C); the U55C's shell is taken to be as large as the U280's. */
const total: Resources = { lut: 1_303_680, ff: 2_607_360, dsp: 9024, bram36: 2016, uram: 960 };
const shell: Resources = { lut: 107_629, ff: 136_086, dsp: 0, bram36: 195.5, uram: 0 };

/** Cards by platform. The platform `tiny` exists in tests only and is looked at as a design on the U280. */
export const cards: Readonly<Record<string, Card>> = {
  u280: { total, shell },
  u55c: { total, shell },
  tiny: { total, shell },
};

export function addResources(items: readonly Resources[]): Resources {
  const sum = (name: keyof Resources) => items.reduce((total, item) => total + item[name], 0);
  return { lut: sum("lut"), ff: sum("ff"), dsp: sum("dsp"), bram36: sum("bram36"), uram: sum("uram") };
}
