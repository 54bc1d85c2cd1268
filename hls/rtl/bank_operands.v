// Codes and factor of one multiplier of the first bank: those of a matrix, two keys' by a query's element, or two
// elements of a value by its weight. Keys take two turns, 64 elements of each (`half`).
// C model: the operands of multiply_beat, multiply_keys and multiply_values (hls/dataflow).
module bank_operands (
    input  wire        [ 1:0] mode,  // 0 matrix, 1 keys, 2 values, 3 keys, second half
    input  wire        [ 3:0] weights,  // w1, w0
    input  wire        [ 7:0] input0,
    input  wire        [ 7:0] key_low,  // second half, first half
    input  wire        [ 7:0] key_high,
    input  wire        [15:0] query,
    input  wire        [ 7:0] value,  // high, low
    input  wire        [ 7:0] weight,
    output reg         [ 3:0] low,
    output reg         [ 3:0] high,
    output reg  signed [ 9:0] a0
);
  always @* begin
    case (mode)
      2'd0: {high, low, a0} = {weights[3:2], 2'd0, 2'd0, weights[1:0], {2{input0[7]}}, input0};
      2'd1: {high, low, a0} = {key_high[3:0], key_low[3:0], {2{query[7]}}, query[7:0]};
      2'd2: {high, low, a0} = {value, 2'd0, weight};
      default: {high, low, a0} = {key_high[7:4], key_low[7:4], {2{query[15]}}, query[15:8]};
    endcase
  end
endmodule
