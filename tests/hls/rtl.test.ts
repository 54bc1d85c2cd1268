import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
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
    const bench = [join(root, "hls/testbench/rtl_top.v"), join(root, "hls/testbench/tb_rtl.cpp")];
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

/** Measured with Yosys 0.23, and a tenth more. SRLs count as LUTs. */
const budgets: readonly Budget[] = [
  { top: "packed_multiply", parameters: "", lut: 6, dsp: 1 },
  { top: "lut_multiply", parameters: "", lut: 114, dsp: 0 },
  { top: "position_decoder", parameters: "", lut: 26, dsp: 0 },
  { top: "sparse_row", parameters: "-chparam USE_DSP 1", lut: 1280, dsp: 17 },
];

describe.skipIf(!runs("yosys", "-V"))("Yosys, UltraScale+", () => {
  it.each(budgets)("$top stays in its budget: $lut LUT, $dsp DSP", async ({ top, parameters, lut, dsp }) => {
    const script = [
      `read_verilog ${sources.join(" ")}`,
      `hierarchy -top ${top} ${parameters}`,
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
    expect(count(/^DSP48E2$/)).toBe(dsp);
    expect(count(/^(LUT\d|SRL\w*)$/)).toBeGreaterThan(0);
    expect(count(/^(LUT\d|SRL\w*)$/)).toBeLessThanOrEqual(lut);
  });
});
