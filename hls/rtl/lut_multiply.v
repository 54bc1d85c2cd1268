// A multiplier of an array's second bank: the products w0 a0 and w1 a1 without a DSP; a code of two bits adds a and 2a
// or leaves them out. One cycle, one result a cycle.
module lut_multiply (
    input  wire               clk,
    input  wire        [ 1:0] w0,
    input  wire        [ 1:0] w1,
    input  wire signed [ 7:0] a0,
    input  wire signed [ 7:0] a1,
    output reg  signed [ 9:0] w0_a0,
    output reg  signed [ 9:0] w1_a1
);
  wire [9:0] p0, p1;
  gated_sum sum0 (w0, a0, p0);
  gated_sum sum1 (w1, a1, p1);
  always @(posedge clk) begin
    w0_a0 <= p0;
    w1_a1 <= p1;
  end
endmodule
