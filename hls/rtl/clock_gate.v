// A clock that stops while `enable` is low: BUFGCE, whose enable takes effect while the clock is low (AMD UG572).
module clock_gate (
    input  wire clk,
    input  wire enable,
    output wire gated
);
`ifdef VERILATOR
  // Taken over at the falling edge, in effect while the clock is high.
  reg on;
  always @(negedge clk) on <= enable;
  assign gated = clk & on;
`else
  BUFGCE buffer (
      .I(clk),
      .CE(enable),
      .O(gated)
  );
`endif
endmodule
