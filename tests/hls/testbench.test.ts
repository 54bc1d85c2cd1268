import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, describe, expect, it, vi } from "vitest";

/**
 * C simulation of the kernel's sources: every test bench under the compilers at hand with sanitizers, the threaded ones
 * under TSan too, on native integers, and on AMD's ap_int and hls::stream where ACCLLM_HLS_INCLUDE names AMD's headers
 * (folders separated by colons).
 */
const root = new URL("../../", import.meta.url).pathname;
// tb_rtl needs Verilator: rtl.test.ts.
const benches = readdirSync(join(root, "hls/testbench")).filter((name) => /^tb_(?!rtl).*\.cpp$/.test(name));
const out = mkdtempSync(join(tmpdir(), "accllm-hls-"));
// A loaded machine takes its time over a compiler.
vi.setConfig({ testTimeout: 900_000 });
afterAll(() => rmSync(out, { recursive: true, force: true }));

const amdHeaders = process.env.ACCLLM_HLS_INCLUDE;
const common = [
  "-std=c++17",
  "-O1",
  "-ffp-contract=off",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-Wno-unknown-pragmas",
  "-pthread",
];
const runs = (compiler: string) => spawnSync(compiler, ["--version"]).status === 0;
const undefinedBehaviour = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
const variants = [
  {
    // The design takes long to compile: clang has it under these sanitizers, g++ under TSan.
    name: "g++, native integers, ASan and UBSan",
    compiler: "g++",
    flags: undefinedBehaviour,
    available: runs("g++"),
    benches: /^tb_(?!dataflow|depth|kernel\.)/,
  },
  {
    name: "clang++, native integers, ASan and UBSan",
    compiler: "clang++",
    flags: undefinedBehaviour,
    available: runs("clang++"),
    benches: /./,
  },
  {
    name: "g++, threads on bounded streams, TSan",
    compiler: "g++",
    flags: ["-fsanitize=thread"],
    available: runs("g++"),
    benches: /^tb_(stream|dataflow|depth)/,
  },
  {
    name: "g++, AMD's ap_int and hls::stream (ACCLLM_HLS_INCLUDE)",
    compiler: "g++",
    // The constructors of AMD's header read what they are about to set.
    flags: [
      ...["-DACCLLM_AP_INT", "-DHLS_STREAM_THREAD_SAFE"],
      ...["-Wno-unused-label", "-Wno-uninitialized", "-Wno-maybe-uninitialized"],
      ...(amdHeaders ?? "").split(":").flatMap((folder) => (folder === "" ? [] : ["-isystem", folder])),
    ],
    available: amdHeaders !== undefined,
    // AMD's streams have no bounds to test.
    benches: /^tb_(?!stream|depth)/,
  },
];

for (const [index, variant] of variants.entries()) {
  describe.skipIf(!variant.available)(`C simulation: ${variant.name}`, () => {
    it.each(benches.filter((bench) => variant.benches.test(bench)))("%s", async (bench) => {
      const binary = join(out, `${index}-${bench}.bin`);
      const sources = [join(root, "hls/testbench", bench)];
      if (bench === "tb_kernel.cpp") sources.push(join(root, "hls/kernels/top/u280.cpp"));
      // hls/sim last: where AMD's hls_stream.h is named, it comes first.
      const includes = ["hls/include", "hls", "hls/sim"].flatMap((folder) => ["-I", join(root, folder)]);
      await execa(variant.compiler, [...common, ...variant.flags, ...includes, ...sources, "-o", binary]);
      const { stdout } = await execa(binary);
      expect(stdout).toMatch(/^tb_\w+: [1-9]\d* checks, 0 failed$/m);
    });
  });
}
