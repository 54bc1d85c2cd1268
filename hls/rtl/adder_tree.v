// Sum of 64 numbers of ten bits. Three cycles.
module adder_tree (
    input  wire        clk,
    input  wire [639:0] terms,
    output reg  signed [ 15:0] sum
);
  reg signed [11:0] fours[0:15];
  reg signed [13:0] sixteens[0:3];
  integer k;
  always @(posedge clk) begin
    for (k = 0; k < 16; k = k + 1) begin
      fours[k] <= $signed(terms[40*k+:10]) + $signed(terms[40*k+10+:10]) + $signed(terms[40*k+20+:10]) +
                  $signed(terms[40*k+30+:10]);
    end
    for (k = 0; k < 4; k = k + 1) begin
      sixteens[k] <= fours[4*k] + fours[4*k+1] + fours[4*k+2] + fours[4*k+3];
    end
    sum <= sixteens[0] + sixteens[1] + sixteens[2] + sixteens[3];
  end
endmodule
