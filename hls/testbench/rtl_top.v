// The processing elements for tb_rtl.cpp. Banks have a clock of their own: the multipliers' million inputs need not
// move them.
module rtl_top (
    input  wire         clk,
    input  wire         bank_clk,
    input  wire [  1:0] w0,
    input  wire [  1:0] w1,
    input  wire [  7:0] a0,
    input  wire [  7:0] a1,
    output wire [ 39:0] packed_products,
    output wire [ 19:0] lut_products,
    input  wire [  3:0] nibble_low,
    input  wire [  3:0] nibble_high,
    input  wire [  9:0] factor,
    output wire [ 44:0] nibble_product,
    input  wire [  1:0] mode,
    input  wire [  3:0] weights,
    input  wire [  7:0] input0,
    input  wire [  7:0] key_low,
    input  wire [  7:0] key_high,
    input  wire [ 15:0] query,
    input  wire [  7:0] value,
    input  wire [  7:0] weight,
    output wire [  3:0] low,
    output wire [  3:0] high,
    output wire [  9:0] factor0,
    input  wire         dense,
    input  wire         second_enable,
    input  wire [511:0] beat,
    input  wire [511:0] token0,
    input  wire [511:0] token1,
    output wire [127:0] first,
    output wire [127:0] second,
    output wire [ 63:0] products0,
    output wire [ 63:0] kept0,
    output wire [ 63:0] products1,
    output wire [ 63:0] kept1,
    input  wire         region_reset,
    input  wire         level,
    input  wire         level_there,
    output wire         running,
    input  wire         number_there,
    input  wire [ 31:0] number,
    output wire         number_taken,
    input  wire         sum_read,
    output wire         sum_there,
    output wire [ 31:0] sum,
    output wire [ 31:0] region_clocks
);
  wire [44:0] unused_product;
  wire [ 9:0] unused_field[0:3];
  packed_multiply packed_pe (clk, {2'd0, w0}, {w1, 2'd0}, {{2{a0[7]}}, a0}, a1, unused_product, packed_products[9:0],
      packed_products[19:10], packed_products[29:20], packed_products[39:30]);
  lut_multiply lut_pe (clk, w0, w1, a0, a1, lut_products[9:0], lut_products[19:10]);
  packed_multiply nibble_pe (clk, nibble_low, nibble_high, factor, 8'd0, nibble_product, unused_field[0],
      unused_field[1], unused_field[2], unused_field[3]);
  bank_operands operands (mode, weights, input0, key_low, key_high, query, value, weight, low, high, factor0);
  genvar row;
  generate
    for (row = 0; row < 4; row = row + 1) begin : rows
      row_decoder decoder (beat[128*row+64+:43], first[32*row+:32], second[32*row+:32]);
    end
  endgenerate
  weight_bank #(.USE_DSP(1), .BANK(0)) bank0 (bank_clk, dense, beat, first, second, token0, products0, kept0);
  second_bank bank1 (bank_clk, second_enable, dense, beat, first, second, token1, products1, kept1);

  // A region between two streams, behind a clock that stops.
  wire region_clk, in_there, in_read, out_room, out_write, level_read;
  wire [31:0] in_number, out_sum;
  region_gate gate (clk, region_reset, level, level_there, level_read, running, region_clk);
  bench_fifo in_fifo (clk, region_reset, 1'b1, number_there, number_taken, number, running, in_read, in_there, in_number);
  bench_region region (region_clk, region_reset, in_there, in_number, in_read, out_room, out_sum, out_write,
      region_clocks);
  bench_fifo out_fifo (clk, region_reset, running, out_write, out_room, out_sum, 1'b1, sum_read, sum_there, sum);
endmodule
