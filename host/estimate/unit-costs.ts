/**
 * Costs of the pieces that the resource model counts. Measured: Yosys 0.23, `synth_xilinx -family xcup -abc9` on hls/rtl
 * (docs/timing.md). Assumption: no measurement of ours; the reason stands beside it.
 */
export const unitCosts = {
  /**
   * Measured: multiplier_group.v, 16 multipliers with selectors and adder trees, in DSPs and in LUTs; four make a bank.
   * SRLs count as LUTs.
   */
  dspGroup: { lut: 993, ff: 2056, dsp: 16, bram36: 0, uram: 0 },
  lutGroup: { lut: 1244, ff: 1564, dsp: 0, bram36: 0, uram: 0 },
  /** Measured: what weight_bank.v takes besides its groups, codes by the kind of matrix and sums of dense rows. */
  bankLut: 555,
  /** Measured: row_decoder.v, the positions of a 2:4 row, for all banks. */
  rowDecoderLut: 121,
  /** Measured: bank_operands.v, a multiplier's choice between weights, keys and values. */
  bankOperandLut: 17,
  /** Those of them whose outputs are zero in a matrix: the middle bits of two codes of four. */
  cacheOperandLut: 4,
  /** A row's sum for each bank: zero-point and scale, 27 x 18 products, the second with the 48-bit accumulator. */
  rowSum: {
    ff: 96,
    bram36: 0,
    uram: 0,
    dsp: 2,
    /**
     * Assumption: planes and zero-point in two adders of 23 bits, the sums of sixteen turns in LUT RAM. The accumulator
     * takes its own sum or the RAM's by the DSP's operation mode.
     */
    lut: 80,
  },
  /** Assumption: an addition chain inside the DSPs leaves a few LUTs a product for operands and dot ends. */
  meanProductLut: 4,
  /**
   * Assumption: of the channels a lane has one to six to choose from (its number modulo a power of two), 37 LUTs for 32
   * lanes and a bit; the channels of a wave are chosen before with 28.
   */
  laneMuxLut: 2,
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
     * Block sums of P*V form in the DSPs that make the products, two of 18 bits in P's 48. Assumption: eight of 128 leave
     * a clock, each bit through a sixteen-to-one choice of five LUTs.
     */
    blockSumsLut: 680,
    /** Assumption: eight shifters and 50-bit adders, as a block of sixteen keys leaves sixteen clocks for them. */
    shiftAddLut: 1200,
    /** Score, weighted scale and minimum of a key. */
    floatsPerKey: 3,
  },
  /** Operators of a lane of the float units: gains, RoPE, key means, quantization. */
  floatLane: { multiplies: 4, adds: 4, converts: 2 },
  /** Additions of an element on its way through a Hadamard rotation of 128: one in each of seven stages. */
  hadamardStages: 7,
  /** Operators a row of a result: its bias, x + y and its square, silu(g) u. */
  rowLane: { multiplies: 4, adds: 4 },
  /** Assumption: command fetch, descriptor checks, dispatch, counters, the register slave. */
  control: { lut: 10_000, ff: 12_000, dsp: 0, bram36: 8, uram: 0 },
  /** Assumption: pipelined data paths hold about 1.2 FF a LUT. */
  ffPerLut: 1.2,
} as const;
