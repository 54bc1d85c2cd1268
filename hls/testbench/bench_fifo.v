// A FIFO with the ports of those that HLS makes: handshakes count where the clock enable of their side is high.
module bench_fifo (
    input  wire        clk,
    input  wire        reset,
    input  wire        write_ce,
    input  wire        write,
    output wire        full_n,
    input  wire [31:0] din,
    input  wire        read_ce,
    input  wire        read,
    output wire        empty_n,
    output wire [31:0] dout
);
  reg [31:0] words[0:3];
  reg [2:0] head, tail;
  assign full_n = tail - head != 3'd4;
  assign empty_n = tail != head;
  assign dout = words[head[1:0]];
  always @(posedge clk) begin
    if (reset) {head, tail} <= 6'd0;
    else begin
      if (write_ce & write & full_n) begin
        words[tail[1:0]] <= din;
        tail <= tail + 3'd1;
      end
      if (read_ce & read & empty_n) head <= head + 3'd1;
    end
  end
endmodule
