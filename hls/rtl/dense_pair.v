// Two rows of a dense plane by two tokens: 64 packed multipliers, 256 products a cycle. sum = sum(c a) for each row and
// token. C model: the inner loop of multiply_dense. Seven cycles, one plane a cycle.
module dense_pair #(
    parameter USE_DSP = 1
) (
    input  wire               clk,
    input  wire       [127:0] row0,
    input  wire       [127:0] row1,
    input  wire       [511:0] token0,
    input  wire       [511:0] token1,
    output wire       [ 63:0] sums  // row 0: token 0, token 1; row 1: token 0, token 1; 16 bits each
);
  reg [127:0] codes0, codes1;
  reg [511:0] inputs0, inputs1;
  always @(posedge clk) begin
    codes0 <= row0;
    codes1 <= row1;
    inputs0 <= token0;
    inputs1 <= token1;
  end
  // Four lanes of 64 products: (row, token).
  wire [639:0] product[0:3];
  genvar i;
  generate
    for (i = 0; i < 64; i = i + 1) begin : column
      if (USE_DSP) begin : dsp
        packed_multiply multiply (clk, codes0[2*i+:2], codes1[2*i+:2], inputs0[8*i+:8], inputs1[8*i+:8],
            product[0][10*i+:10], product[1][10*i+:10], product[2][10*i+:10], product[3][10*i+:10]);
      end else begin : lut
        lut_multiply multiply (clk, codes0[2*i+:2], codes1[2*i+:2], inputs0[8*i+:8], inputs1[8*i+:8],
            product[0][10*i+:10], product[1][10*i+:10], product[2][10*i+:10], product[3][10*i+:10]);
      end
    end
    for (i = 0; i < 4; i = i + 1) begin : lane
      adder_tree tree (.clk(clk), .terms(product[i]), .sum(sums[16*i+:16]));
    end
  endgenerate
endmodule
