// One row of a 2:4 beat: 64 inputs, 32 kept. sum = 2 sum(c a) - zh sum(a) over the kept inputs.
// C model: decode_sparse and multiply_sparse. Eight cycles, one group a cycle.
module sparse_row #(
    parameter USE_DSP = 1
) (
    input  wire               clk,
    input  wire       [127:0] unit,
    input  wire       [511:0] activations,
    output reg  signed [ 22:0] sum
);
  wire [31:0] first, second;
  genvar i;
  generate
    for (i = 0; i < 5; i = i + 1) begin : triple
      position_decoder decoder (
          .code(unit[64+8*i+:8]),
          .first(first[6*i+:6]),
          .second(second[6*i+:6])
      );
    end
  endgenerate
  // The sixteenth quad's pattern stands alone in three bits.
  wire [5:0] alone_first, alone_second;
  position_decoder alone (
      .code({5'd0, unit[106:104]}),
      .first(alone_first),
      .second(alone_second)
  );
  assign first[31:30] = alone_first[1:0];
  assign second[31:30] = alone_second[1:0];

  // Cycle 1: select. A quad's two kept activations share a multiplier; the diagonal is what counts.
  reg [63:0] codes;
  reg [511:0] inputs;
  reg [31:0] first_r, second_r;
  reg [3:0] zero1;
  always @(posedge clk) begin
    codes <= unit[63:0];
    inputs <= activations;
    first_r <= first;
    second_r <= second;
    zero1 <= unit[111:108];
  end
  wire signed [9:0] product[0:31];
  reg signed [8:0] kept[0:15];
  generate
    for (i = 0; i < 16; i = i + 1) begin : quad
      reg signed [7:0] a0, a1;
      reg [1:0] w0, w1;
      always @(posedge clk) begin
        a0 <= inputs[32*i+8*first_r[2*i+:2]+:8];
        a1 <= inputs[32*i+8*second_r[2*i+:2]+:8];
        w0 <= codes[4*i+:2];
        w1 <= codes[4*i+2+:2];
        kept[i] <= a0 + a1;
      end
      wire signed [9:0] unused0, unused1;
      if (USE_DSP) begin : dsp
        packed_multiply multiply (clk, w0, w1, a0, a1, product[2*i], unused0, unused1, product[2*i+1]);
      end else begin : lut
        lut_multiply multiply (clk, w0, w1, a0, a1, product[2*i], unused0, unused1, product[2*i+1]);
      end
    end
  endgenerate

  // Products leave in cycle 5, sums of two kept activations in cycle 3; a tree of two cycles for each.
  reg signed [11:0] product_sum[0:7];
  reg signed [15:0] products;
  reg signed [10:0] kept_sum[0:3];
  reg signed [12:0] kept_total;
  reg signed [17:0] correction6, correction7;
  reg [3:0] zero2, zero3, zero4, zero5;
  integer k;
  always @(posedge clk) begin
    for (k = 0; k < 8; k = k + 1) begin
      product_sum[k] <= product[4*k] + product[4*k+1] + product[4*k+2] + product[4*k+3];
    end
    products <= ((product_sum[0] + product_sum[1]) + (product_sum[2] + product_sum[3])) +
                ((product_sum[4] + product_sum[5]) + (product_sum[6] + product_sum[7]));
    for (k = 0; k < 4; k = k + 1) begin
      kept_sum[k] <= kept[4*k] + kept[4*k+1] + kept[4*k+2] + kept[4*k+3];
    end
    kept_total <= kept_sum[0] + kept_sum[1] + kept_sum[2] + kept_sum[3];
    {zero2, zero3, zero4, zero5} <= {zero1, zero2, zero3, zero4};
    correction6 <= kept_total * $signed({1'b0, zero5});
    correction7 <= correction6;
    sum <= (products <<< 1) - correction7;
  end
endmodule
