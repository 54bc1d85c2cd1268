// w a = (w[0] ? a : 0) + (w[1] ? 2 a : 0).
module gated_sum (
    input  wire        [ 1:0] w,
    input  wire signed [ 7:0] a,
    output wire signed [ 9:0] product
);
`ifdef YOSYS
  // Gates and adder of a bit share a LUT6_2, as Vivado maps them; Yosys by itself takes two LUTs. That this is the
  // same function Yosys proves (tests/hls/rtl.test.ts).
  wire [11:0] once = {{4{a[7]}}, a};
  wire [11:0] twice = {{3{a[7]}}, a, 1'b0};
  wire [11:0] propagate, generated, carry, sum;
  genvar i;
  generate
    for (i = 0; i < 12; i = i + 1) begin : bits
      if (i < 10) begin : used
        LUT6_2 #(
            .INIT(64'h7888_7888_8888_8888)
        ) gates (
            .O6(propagate[i]),
            .O5(generated[i]),
            .I0(w[0]),
            .I1(once[i]),
            .I2(w[1]),
            .I3(twice[i]),
            .I4(1'b1),
            .I5(1'b1)
        );
      end else begin : unused
        assign {propagate[i], generated[i]} = 2'd0;
      end
    end
    for (i = 0; i < 3; i = i + 1) begin : chain
      wire before;
      if (i == 0) assign before = 1'b0;
      else assign before = carry[4*i-1];
      CARRY4 carry4 (
          .CO(carry[4*i+:4]),
          .O(sum[4*i+:4]),
          .CI(before),
          .CYINIT(1'b0),
          .DI(generated[4*i+:4]),
          .S(propagate[4*i+:4])
      );
    end
  endgenerate
  assign product = sum[9:0];
`else
  assign product = (w[0] ? {{2{a[7]}}, a} : 10'sd0) + (w[1] ? {a[7], a, 1'b0} : 10'sd0);
`endif
endmodule
