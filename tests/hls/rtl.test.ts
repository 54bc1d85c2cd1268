import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, describe, expect, it, vi } from "vitest";

/** The processing elements in Verilog: bit by bit in Verilator against the C++ models, and counted in Yosys. */
const root = new URL("../../", import.meta.url).pathname;
const sources = readdirSync(join(root, "hls/rtl"))
  .filter((name) => name.endsWith(".v"))
  .map((name) => join(root, "hls/rtl", name));
const out = mkdtempSync(join(tmpdir(), "accllm-rtl-"));
// A loaded machine takes its time over a compiler.
vi.setConfig({ testTimeout: 900_000 });
afterAll(() => rmSync(out, { recursive: true, force: true }));
const runs = (tool: string, flag: string) => spawnSync(tool, [flag]).status === 0;

describe.skipIf(!runs("verilator", "--version"))("Verilator", () => {
  it("the elements equal their C++ models", async () => {
    const includes = ["hls", "hls/include", "hls/sim", "hls/testbench"].map(
      (path) => `-I${join(root, path)}`,
    );
    // Widths extend by Verilog's rules; outputs that a variant leaves out are meant.
    const checks = ["-Wall", "-Wno-WIDTH", "-Wno-UNUSED"];
    const flags = [
      "-CFLAGS",
      `-std=c++17 -O0 -Wno-unknown-pragmas ${includes.join(" ")}`,
      "-LDFLAGS",
      "-pthread",
    ];
    const bench = ["rtl_top.v", "bench_fifo.v", "bench_region.v", "tb_rtl.cpp"].map((name) =>
      join(root, "hls/testbench", name),
    );
    const make = ["-MAKEFLAGS", "OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0", "--output-split", "20000"];
    const shape = ["--cc", "--exe", "--build", "-j", "2", "--top-module", "rtl_top", "-Mdir", out];
    await execa("verilator", [...shape, ...checks, ...flags, ...make, ...sources, ...bench]);
    const { stdout } = await execa(join(out, "Vrtl_top"));
    expect(stdout).toMatch(/^tb_rtl: [1-9]\d* checks, 0 failed$/m);
  });
});

interface Budget {
  readonly top: string;
  readonly parameters: string;
  readonly lut: number;
  readonly dsp: number;
}

/** Measured with Yosys 0.23, and a tenth more. SRLs count as LUTs, a LUT6_2 as one. */
const budgets: readonly Budget[] = [
  { top: "packed_multiply", parameters: "", lut: 6, dsp: 1 },
  { top: "lut_multiply", parameters: "", lut: 22, dsp: 0 },
  { top: "bank_operands", parameters: "", lut: 19, dsp: 0 },
  { top: "region_gate", parameters: "", lut: 0, dsp: 0 },
  { top: "row_decoder", parameters: "", lut: 133, dsp: 0 },
  { top: "multiplier_group", parameters: "USE_DSP 1", lut: 1092, dsp: 16 },
  { top: "multiplier_group", parameters: "USE_DSP 0", lut: 1368, dsp: 0 },
];

describe.skipIf(!runs("yosys", "-V"))("Yosys, UltraScale+", () => {
  it.each(budgets)("$top $parameters stays in its budget: $lut LUT, $dsp DSP", async (budget) => {
    const { top, parameters, lut, dsp } = budget;
    // Banks would instantiate the groups with parameters of their own.
    const elements = sources.filter((name) => !name.endsWith("_bank.v"));
    const script = [
      `read_verilog ${elements.join(" ")}`,
      ...(parameters === "" ? [] : [`chparam -set ${parameters} ${top}`]),
      `hierarchy -top ${top}`,
      `synth_xilinx -family xcup -flatten -noiopad -noclkbuf -abc9 -top ${top}`,
      "stat",
    ].join("; ");
    const { stdout } = await execa("yosys", ["-p", script]);
    const cells = stdout.slice(stdout.lastIndexOf("Number of cells"));
    const count = (type: RegExp) =>
      [...cells.matchAll(/^\s+(\w+)\s+(\d+)$/gm)].reduce(
        (n, [, name, k]) => (type.test(name!) ? n + Number(k) : n),
        0,
      );
    const luts = count(/^(LUT\d(_2)?|SRL\w*)$/);
    expect(count(/^DSP48E2$/)).toBe(dsp);
    expect(luts).toBeGreaterThanOrEqual(0.8 * lut);
    expect(luts).toBeLessThanOrEqual(lut);
  });

  it("a code's multiplication in shared LUTs is proven to be one, for all inputs", async () => {
    const reference = join(out, "reference.v");
    writeFileSync(
      reference,
      `module reference (input wire [1:0] w, input wire signed [7:0] a, output wire signed [9:0] product);
  wire signed [9:0] code = {8'd0, w};
  assign product = code * a;
endmodule
`,
    );
    const script = [
      `read_verilog +/xilinx/cells_sim.v ${join(root, "hls/rtl/gated_sum.v")}`,
      "hierarchy -top gated_sum; proc; flatten; opt_clean",
      `read_verilog ${reference}; proc`,
      "miter -equiv -flatten -make_outputs reference gated_sum miter",
      "hierarchy -top miter",
      "sat -verify -prove trigger 0 miter",
    ].join("; ");
    const { stdout } = await execa("yosys", ["-p", script]);
    expect(stdout).toContain("SUCCESS");
  });
});
