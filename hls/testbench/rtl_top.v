// The processing elements for tb_rtl.cpp. Rows have a clock of their own: the multipliers' million inputs need not
// move them. Rows of LUT multipliers differ by lut_multiply alone, which all inputs cover.
module rtl_top (
    input  wire         clk,
    input  wire         rows_clk,
    input  wire [  1:0] w0,
    input  wire [  1:0] w1,
    input  wire [  7:0] a0,
    input  wire [  7:0] a1,
    output wire [ 39:0] packed_products,
    output wire [ 39:0] lut_products,
    input  wire [  7:0] code,
    output wire [ 11:0] positions,
    input  wire [511:0] beat,
    input  wire [511:0] token0,
    input  wire [511:0] token1,
    output wire [ 22:0] sparse_dsp,
    output wire [ 63:0] dense_dsp
);
  packed_multiply packed_pe (clk, w0, w1, a0, a1, packed_products[9:0], packed_products[19:10],
      packed_products[29:20], packed_products[39:30]);
  lut_multiply lut_pe (clk, w0, w1, a0, a1, lut_products[9:0], lut_products[19:10], lut_products[29:20],
      lut_products[39:30]);
  position_decoder decoder (code, positions[5:0], positions[11:6]);
  sparse_row #(.USE_DSP(1)) sparse_row_dsp (rows_clk, beat[127:0], token0, sparse_dsp);
  dense_pair #(.USE_DSP(1)) dense_pair_dsp (rows_clk, beat[127:0], beat[255:128], token0, token1, dense_dsp);
endmodule
