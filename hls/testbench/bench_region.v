// A stand-in for tasks: a running sum, a word in two clocks, with handshakes that hold until they are taken.
module bench_region (
    input  wire        clk,
    input  wire        reset,
    input  wire        in_there,
    input  wire [31:0] in,
    output wire        in_read,
    input  wire        out_room,
    output reg  [31:0] out,
    output reg         out_write,
    output reg  [31:0] clocks
);
  assign in_read = ~out_write;
  always @(posedge clk) begin
    if (reset) begin
      out <= 32'd0;
      out_write <= 1'b0;
      clocks <= 32'd0;
    end else begin
      clocks <= clocks + 32'd1;
      if (in_read & in_there) begin
        out <= out + in;
        out_write <= 1'b1;
      end else if (out_write & out_room) out_write <= 1'b0;
    end
  end
endmodule
