// A bank of 64 multipliers with a beat of weights and a token. 2:4: the sums of four rows. Dense: those of the rows
// 2 BANK and 2 BANK + 1. C model: multiply_beat (hls/dataflow/array.hpp). Eight cycles, one beat a cycle.
module weight_bank #(
    parameter USE_DSP = 1,
    parameter BANK = 0
) (
    input  wire         clk,
    input  wire         dense,
    input  wire [511:0] beat,
    input  wire [127:0] first,  // of the four rows, from their decoders
    input  wire [127:0] second,
    input  wire [511:0] activations,
    output reg  [ 63:0] products,  // 16 bits each: four rows, or two rows in the lower half
    output reg  [ 63:0] kept  // activations that a row's zero-point counts for, as above
);
  wire signed [13:0] sum0[0:3];
  wire signed [13:0] sum1[0:3];
  wire signed [12:0] group_kept[0:3];
  reg [6:0] dense_later;
  genvar g, q;
  generate
    for (g = 0; g < 4; g = g + 1) begin : group
      wire [31:0] codes0, codes1;
      for (q = 0; q < 16; q = q + 1) begin : quad
        assign codes0[2*q+:2] = dense ? beat[256*BANK+2*(4*q+g)+:2] : beat[128*g+4*q+:2];
        assign codes1[2*q+:2] = dense ? beat[256*BANK+128+2*(4*q+g)+:2] : beat[128*g+4*q+2+:2];
      end
      multiplier_group #(
          .USE_DSP(USE_DSP),
          .GROUP(g)
      ) multipliers (
          .clk(clk),
          .dense(dense),
          .codes0(codes0),
          .codes1(codes1),
          .first(first[32*g+:32]),
          .second(second[32*g+:32]),
          .activations(activations),
          .sum0(sum0[g]),
          .sum1(sum1[g]),
          .kept(group_kept[g])
      );
    end
  endgenerate
  wire signed [15:0] row0 = sum0[0] + sum0[1] + sum0[2] + sum0[3];
  wire signed [15:0] row1 = sum1[0] + sum1[1] + sum1[2] + sum1[3];
  // Both operands of a dense multiplier are the same activation.
  wire signed [15:0] twice = group_kept[0] + group_kept[1] + group_kept[2] + group_kept[3];
  wire signed [15:0] all = twice >>> 1;
  function signed [15:0] both(input signed [13:0] a, input signed [13:0] b);
    both = a + b;
  endfunction
  function signed [15:0] wide(input signed [12:0] a);
    wide = a;
  endfunction
  always @(posedge clk) begin
    dense_later <= {dense_later[5:0], dense};
    if (dense_later[6]) begin
      products <= {32'd0, row1, row0};
      kept <= {32'd0, all, all};
    end else begin
      products <= {both(sum0[3], sum1[3]), both(sum0[2], sum1[2]), both(sum0[1], sum1[1]), both(sum0[0], sum1[0])};
      kept <= {wide(group_kept[3]), wide(group_kept[2]), wide(group_kept[1]), wide(group_kept[0])};
    end
  end
endmodule
