// A group of sixteen multipliers of a bank: a 2:4 row's quads, or the columns 4 q + GROUP of two dense rows. Each takes
// two codes and two of four activations; 2:4 by its positions, dense the column's twice. Seven cycles, one beat a cycle.
// C model: the loops of a group in multiply_beat (hls/dataflow/array.hpp).
module multiplier_group #(
    parameter USE_DSP = 1,
    parameter [1:0] GROUP = 0
) (
    input  wire               clk,
    input  wire               dense,
    input  wire        [ 31:0] codes0,  // 2:4: the first kept weight of each quad; dense: the first row's columns
    input  wire        [ 31:0] codes1,
    input  wire        [ 31:0] first,   // positions of the kept weights
    input  wire        [ 31:0] second,
    input  wire        [511:0] activations,
    output reg  signed [ 13:0] sum0,    // of w0 a0
    output reg  signed [ 13:0] sum1,    // of w1 a1
    output reg  signed [ 12:0] kept     // of a0 + a1
);
  reg [31:0] codes0_r, codes1_r, first_r, second_r;
  reg [511:0] inputs;
  always @(posedge clk) begin
    codes0_r <= codes0;
    codes1_r <= codes1;
    first_r  <= dense ? {16{GROUP}} : first;
    second_r <= dense ? {16{GROUP}} : second;
    inputs   <= activations;
  end
  wire signed [9:0] product0[0:15];
  wire signed [9:0] product1[0:15];
  reg signed [8:0] pair[0:15];
  genvar i;
  generate
    for (i = 0; i < 16; i = i + 1) begin : quad
      reg signed [7:0] a0, a1;
      reg [1:0] w0, w1;
      always @(posedge clk) begin
        a0 <= inputs[32*i+8*first_r[2*i+:2]+:8];
        a1 <= inputs[32*i+8*second_r[2*i+:2]+:8];
        w0 <= codes0_r[2*i+:2];
        w1 <= codes1_r[2*i+:2];
        pair[i] <= a0 + a1;
      end
      if (USE_DSP) begin : dsp
        wire [44:0] product;
        wire [9:0] w0_a1, w1_a0;
        packed_multiply multiply (clk, {2'd0, w0}, {w1, 2'd0}, {{2{a0[7]}}, a0}, a1, product, product0[i], w0_a1, w1_a0,
            product1[i]);
      end else begin : lut
        lut_multiply multiply (clk, w0, w1, a0, a1, product0[i], product1[i]);
      end
    end
  endgenerate

  // Products leave in cycle 5 (DSP) or 3 (LUT), pairs of activations in cycle 3; two cycles of addition each.
  reg signed [11:0] part0[0:3];
  reg signed [11:0] part1[0:3];
  reg signed [10:0] kept_part[0:3];
  reg signed [13:0] total0, total1, late0, late1;
  reg signed [12:0] kept_total, kept_late;
  integer k;
  always @(posedge clk) begin
    for (k = 0; k < 4; k = k + 1) begin
      part0[k] <= product0[4*k] + product0[4*k+1] + product0[4*k+2] + product0[4*k+3];
      part1[k] <= product1[4*k] + product1[4*k+1] + product1[4*k+2] + product1[4*k+3];
      kept_part[k] <= pair[4*k] + pair[4*k+1] + pair[4*k+2] + pair[4*k+3];
    end
    total0 <= part0[0] + part0[1] + part0[2] + part0[3];
    total1 <= part1[0] + part1[1] + part1[2] + part1[3];
    kept_total <= kept_part[0] + kept_part[1] + kept_part[2] + kept_part[3];
    // The LUT multipliers are two cycles early, and so are the activations: their sums wait.
    {late0, late1} <= {total0, total1};
    kept_late <= kept_total;
    kept <= kept_late;
  end
  generate
    if (USE_DSP) begin : in_time
      always @* {sum0, sum1} = {total0, total1};
    end else begin : early
      always @(posedge clk) {sum0, sum1} <= {late0, late1};
    end
  endgenerate
endmodule
