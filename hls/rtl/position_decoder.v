// Positions of three quads from a byte p0 + 6 p1 + 36 p2; each quad keeps inputs `first` < `second` of its four. A table
// of 256 entries in LUTs. Bytes from 216 on do not occur; they decode as the C model does.
module position_decoder (
    input  wire [7:0] code,
    output wire [5:0] first,
    output wire [5:0] second
);
  function [3:0] kept(input integer pattern);  // {second, first}
    case (pattern)
      0: kept = {2'd1, 2'd0};
      1: kept = {2'd2, 2'd0};
      2: kept = {2'd3, 2'd0};
      3: kept = {2'd2, 2'd1};
      4: kept = {2'd3, 2'd1};
      default: kept = {2'd3, 2'd2};
    endcase
  endfunction
  reg [11:0] table_of_positions[0:255];
  integer i;
  initial begin
    for (i = 0; i < 256; i = i + 1) begin
      table_of_positions[i] = {kept(i / 36 % 6), kept(i / 6 % 6), kept(i % 6)};
    end
  end
  wire [11:0] entry = table_of_positions[code];
  assign {second[1:0], first[1:0]} = entry[3:0];
  assign {second[3:2], first[3:2]} = entry[7:4];
  assign {second[5:4], first[5:4]} = entry[11:8];
endmodule
