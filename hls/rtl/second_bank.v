// An array's second bank, on a clock of its own: with one token a 2:4 matrix leaves it nothing to do, and attention never
// needs it, so its clock stops. `enable` goes high no later than the first beat and low no earlier than eight cycles after
// the last. C model: accel::dataflow::code_bank between the operands and sums of multiply_beat.
module second_bank (
    input  wire         clk,
    input  wire         enable,
    input  wire         dense,
    input  wire [511:0] beat,
    input  wire [127:0] first,
    input  wire [127:0] second,
    input  wire [511:0] activations,
    output wire [ 63:0] products,
    output wire [ 63:0] kept
);
  wire gated;
  clock_gate gate (clk, enable, gated);
  weight_bank #(.USE_DSP(0), .BANK(1)) bank (gated, dense, beat, first, second, activations, products, kept);
endmodule
