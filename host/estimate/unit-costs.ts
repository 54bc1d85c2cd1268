/**
 * Costs of the pieces that the resource model counts. Measured: Yosys 0.23, `synth_xilinx -family xcup -abc9`
 * (docs/timing.md). Assumption: no measurement of ours; the reason stands beside it.
 */
export const unitCosts = {
  /**
   * Measured: hls/rtl/sparse_row.v, a row of a 2:4 beat with its position decoders, activation selectors, 32 products,
   * adder tree and zero-point, with its products in DSPs (two each) and in LUTs. SRLs count as LUTs.
   */
  dspRow: { lut: 1157, ff: 2111, dsp: 17, bram36: 0, uram: 0 },
  lutRow: { lut: 1864, ff: 1423, dsp: 1, bram36: 0, uram: 0 },
  /** Assumption: 64 sums of 48 bits in LUT RAM with their read and write paths. */
  rowSumsLut: 250,
  /** Assumption: an addition chain inside the DSPs leaves a few LUTs a product for operands and dot ends. */
  meanProductLut: 4,
  /** Assumption: a two-to-one choice of a beat's source for every bit of a lane. */
  laneMuxLut: 1,
  /** Assumption: a 512-bit m_axi adapter with its burst logic and buffers. */
  readPort: { lut: 2000, ff: 3500, dsp: 0, bram36: 7.5, uram: 0 },
  /** Assumptions after AMD's figures for single-precision operators at this clock (PG060). */
  floatMultiply: { lut: 80, ff: 130, dsp: 3, bram36: 0, uram: 0 },
  floatAdd: { lut: 220, ff: 330, dsp: 2, bram36: 0, uram: 0 },
  floatDivide: { lut: 800, ff: 1400, dsp: 0, bram36: 0, uram: 0 },
  floatConvert: { lut: 200, ff: 250, dsp: 0, bram36: 0, uram: 0 },
  /** Assumption: exp24 is a table of 256 words and four integer products. */
  exponential: { lut: 400, ff: 500, dsp: 4, bram36: 0.5, uram: 0 },
  /** Operators of an attention lane at a key a clock (hls/kernels/attention.hpp, score_keys and weigh_values). */
  lane: {
    multiplies: 6,
    adds: 3,
    converts: 4,
    /**
     * Block sums of P*V stay in the DSPs that make the products (two of 16 bits in P's 48). Assumption: eight of 128
     * are read out a clock, each bit through a sixteen-to-one choice of five LUTs.
     */
    blockSumsLut: 680,
    /** Assumption: eight shifters and 64-bit adders, as a block of sixteen keys leaves sixteen clocks for them. */
    shiftAddLut: 1200,
    /** Score, weighted scale and minimum of a key. */
    floatsPerKey: 3,
  },
  /** Operators of a lane of the float units: norm, RoPE, a Hadamard butterfly, SiLU, quantization. */
  floatLane: { multiplies: 4, adds: 4, converts: 2 },
  /** Assumption: command fetch, descriptor checks, dispatch, counters, the register slave. */
  control: { lut: 10_000, ff: 12_000, dsp: 0, bram36: 8, uram: 0 },
  /** Assumption: pipelined data paths hold about 1.2 FF a LUT. */
  ffPerLut: 1.2,
} as const;
