/** What the rotary position embedding follows from; part of a ModelConfig. */
export interface RopeConfig {
  readonly headDim: number;
  readonly ropeTheta: number;
  readonly ropeScaling:
    | null
    | { readonly type: "linear"; readonly factor: number }
    | {
        readonly type: "llama3";
        readonly factor: number;
        readonly lowFreqFactor: number;
        readonly highFreqFactor: number;
        readonly originalMaxPositions: number;
      };
}

/**
 * Radians per position of each rotated pair, in double: theta^(-2i/headDim) for i in 0..headDim/2-1, scaled as
 * transformers does (modeling_rope_utils.py: "linear" divides all by the factor; "llama3" divides the long
 * wavelengths, keeps the short ones and blends between). Pair i is the elements i and i + headDim/2 of a head.
 */
export function ropeFrequencies(config: RopeConfig): Float64Array {
  const { headDim, ropeTheta, ropeScaling } = config;
  const frequencies = new Float64Array(headDim / 2);
  for (let i = 0; i < frequencies.length; i++) {
    frequencies[i] = scaleFrequency(ropeTheta ** (-(2 * i) / headDim), ropeScaling);
  }
  return frequencies;
}

function scaleFrequency(frequency: number, scaling: RopeConfig["ropeScaling"]): number {
  if (scaling === null) return frequency;
  if (scaling.type === "linear") return frequency / scaling.factor;
  const { factor, lowFreqFactor, highFreqFactor, originalMaxPositions } = scaling;
  const wavelength = (2 * Math.PI) / frequency;
  if (wavelength < originalMaxPositions / highFreqFactor) return frequency;
  if (wavelength > originalMaxPositions / lowFreqFactor) return frequency / factor;
  const smooth = (originalMaxPositions / wavelength - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
  return (1 - smooth) * (frequency / factor) + smooth * frequency;
}
