import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, describe, expect, it } from "vitest";

/**
 * C simulation of the kernel's sources: every test bench under the compilers at hand with address and undefined
 * behaviour sanitizers, on native integers, and on AMD's ap_int where ACCLLM_HLS_INCLUDE names AMD's headers.
 */
const root = new URL("../../", import.meta.url).pathname;
const benches = readdirSync(join(root, "hls/testbench")).filter((name) => name.endsWith(".cpp"));
const out = mkdtempSync(join(tmpdir(), "accllm-hls-"));
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
const variants = [
  ...["g++", "clang++"].map((compiler) => ({
    name: `${compiler}, native integers, sanitizers`,
    compiler,
    flags: ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
    available: spawnSync(compiler, ["--version"]).status === 0,
    benches: /./,
  })),
  {
    name: "g++, AMD's ap_int (ACCLLM_HLS_INCLUDE)",
    compiler: "g++",
    // The constructors of AMD's header read what they are about to set.
    flags: [
      ...["-DACCLLM_AP_INT", "-Wno-unused-label", "-Wno-uninitialized", "-Wno-maybe-uninitialized"],
      ...(amdHeaders ?? "").split(":").flatMap((folder) => (folder === "" ? [] : ["-isystem", folder])),
    ],
    available: amdHeaders !== undefined,
    // AMD's streams have no bounds to test.
    benches: /^tb_(?!stream)/,
  },
];

for (const variant of variants) {
  describe.skipIf(!variant.available)(`C simulation: ${variant.name}`, () => {
    it.each(benches.filter((bench) => variant.benches.test(bench)))("%s", async (bench) => {
      const binary = join(out, `${variant.compiler}-${variant.flags.length}-${bench}.bin`);
      const sources = [join(root, "hls/testbench", bench)];
      if (bench === "tb_kernel.cpp") sources.push(join(root, "hls/kernels/accllm.cpp"));
      // Last: where AMD's hls_stream.h is named, it comes first.
      const includes = ["hls/include", "hls", "hls/sim"].flatMap((folder) => ["-I", join(root, folder)]);
      await execa(variant.compiler, [...common, ...variant.flags, ...includes, ...sources, "-o", binary]);
      const { stdout } = await execa(binary);
      expect(stdout).toMatch(/^tb_\w+: [1-9]\d* checks, 0 failed$/m);
    });
  });
}
