// Positions of a 2:4 row: five bytes of three quads in base 6, and the sixteenth quad's pattern alone in three bits.
// C model: decode_sparse (hls/kernels/matmul.hpp).
module row_decoder (
    input  wire [42:0] positions,
    output wire [31:0] first,
    output wire [31:0] second
);
  genvar i;
  generate
    for (i = 0; i < 5; i = i + 1) begin : triple
      position_decoder decoder (
          .code(positions[8*i+:8]),
          .first(first[6*i+:6]),
          .second(second[6*i+:6])
      );
    end
  endgenerate
  wire [5:0] alone_first, alone_second;
  position_decoder alone (
      .code({5'd0, positions[42:40]}),
      .first(alone_first),
      .second(alone_second)
  );
  assign first[31:30] = alone_first[1:0];
  assign second[31:30] = alone_second[1:0];
endmodule
