// The clock of tasks that form an IP of their own (attention, key means; hls/dataflow/gate.hpp): it runs or stands as the
// last level says that came through a stream. Streams across the border stay on the kernel's clock; `running` goes to
// the clock enables of their FIFOs on the region's side (if_read_ce, if_write_ce, which HLS ties to one), so that a
// handshake that stands still with the region moves nothing. It runs after reset.
module region_gate (
    input  wire clk,
    input  wire reset,
    input  wire level,
    input  wire level_there,
    output wire level_read,
    output reg  running,
    output wire region_clk
);
  assign level_read = level_there;
  always @(posedge clk) begin
    if (reset) running <= 1'b1;
    else if (level_there) running <= level;
  end
  clock_gate gate (clk, running, region_clk);
endmodule
