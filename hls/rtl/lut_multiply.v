// The same four products without a DSP: a code of two bits adds a and 2a or leaves them out.
module lut_multiply (
    input  wire              clk,
    input  wire       [ 1:0] w0,
    input  wire       [ 1:0] w1,
    input  wire signed [ 7:0] a0,
    input  wire signed [ 7:0] a1,
    output wire signed [ 9:0] w0_a0,
    output wire signed [ 9:0] w0_a1,
    output wire signed [ 9:0] w1_a0,
    output wire signed [ 9:0] w1_a1
);
  function signed [9:0] times(input [1:0] w, input signed [7:0] a);
    times = (w[0] ? {{2{a[7]}}, a} : 10'sd0) + (w[1] ? {a[7], a, 1'b0} : 10'sd0);
  endfunction
  reg signed [9:0] p00, p01, p10, p11;
  always @(posedge clk) begin
    p00 <= times(w0, a0);
    p01 <= times(w0, a1);
    p10 <= times(w1, a0);
    p11 <= times(w1, a1);
  end
  // As many cycles as the packed multiplier, so that one takes the other's place.
  reg signed [9:0] q00, q01, q10, q11, r00, r01, r10, r11;
  always @(posedge clk) begin
    {q00, q01, q10, q11} <= {p00, p01, p10, p11};
    {r00, r01, r10, r11} <= {q00, q01, q10, q11};
  end
  assign w0_a0 = r00;
  assign w0_a1 = r01;
  assign w1_a0 = r10;
  assign w1_a1 = r11;
endmodule
