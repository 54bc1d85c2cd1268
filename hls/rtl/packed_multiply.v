// A multiplier of an array's first bank: one DSP48E2, (high 2^18 + low) (a1 2^10 + a0).
// Two codes of two bits (low = w0, high = w1 << 2) by two activations (-127 .. 127): four products of ten bits.
// Two codes of four bits by one factor (a0, ten bits, a1 = 0): two fields of 18 bits in `product`, to be summed as is.
// C models: accel::pack_codes, pack_nibbles, dsp_multiply (hls/dataflow/multiplier.hpp). `product` takes two cycles,
// its fields of ten bits three; one result a cycle.
module packed_multiply (
    input  wire               clk,
    input  wire        [ 3:0] low,
    input  wire        [ 3:0] high,
    input  wire signed [ 9:0] a0,
    input  wire signed [ 7:0] a1,
    output reg  signed [44:0] product,
    output wire signed [ 9:0] w0_a0,
    output wire signed [ 9:0] w0_a1,
    output wire signed [ 9:0] w1_a0,
    output wire signed [ 9:0] w1_a1
);
  // A and D lie in disjoint bits, so their sum is a concatenation and the pre-adder stays free.
  reg signed [26:0] weights;
  reg signed [17:0] activations;
  always @(posedge clk) begin
    weights <= {5'd0, high, 14'd0, low};
    // a1 2^10 + a0: the low field's sign is borrowed from the high one.
    activations <= {a1 - {7'd0, a0[9]}, a0};
    product <= weights * activations;
  end
  // Every field is short by one where what lies below is negative.
  reg signed [9:0] p00, p01, p10, p11;
  always @(posedge clk) begin
    p00 <= product[9:0];
    p01 <= product[19:10] + {9'd0, product[9]};
    p10 <= product[29:20] + {9'd0, product[19]};
    p11 <= product[39:30] + {9'd0, product[29]};
  end
  assign w0_a0 = p00;
  assign w0_a1 = p01;
  assign w1_a0 = p10;
  assign w1_a1 = p11;
endmodule
