import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { describe, expect, it } from "vitest";

const folder = fileURLToPath(new URL("../../../../quant/native/", import.meta.url));
const sources = ["testbench/gradients", "block", "attention", "cache", "gemm", "norm", "pool", "divergence"];

describe.skipIf(spawnSync("g++", ["--version"]).status !== 0)("backward passes in C++ (needs g++)", () => {
  it("agree with finite differences, under address and undefined behaviour sanitizers", async () => {
    const out = mkdtempSync(join(tmpdir(), "accllm-gradients-"));
    try {
      const binary = join(out, "gradients");
      const files = sources.map((name) => join(folder, `${name}.cpp`));
      const flags = ["-std=c++17", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
      await execa("g++", [...flags, "-Wall", "-Wextra", "-Werror", "-pthread", ...files, "-o", binary]);
      const { stdout } = await execa(binary);
      expect(stdout).toMatch(/^gradients: 12 checks, 0 failed$/m);
    } finally {
      rmSync(out, { recursive: true });
    }
  });
});
