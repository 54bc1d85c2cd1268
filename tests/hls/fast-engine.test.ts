import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";

/**
 * The fast engine against the golden one, bit for bit, on every instruction set that the library has for this
 * architecture: ten thousand random descriptors each, and as many random queues of jobs
 * (host/emulator/fast/testbench/fast_cases.cpp). Instruction sets that the machine lacks are skipped by name; the code
 * for AVX-512 also runs with its instructions in plain C++.
 */
const root = fileURLToPath(new URL("../..", import.meta.url));
const descriptors = 10_000;
const levels: Partial<Record<NodeJS.Architecture, readonly string[]>> = {
  x64: ["avx512", "avx512 in software", "avx2", "plain"],
  arm64: ["neon", "plain"],
};

/** Builds (or brings up to date) a target of host/emulator beside the library that the package uses. */
function build(target: string): string {
  const folder = join(root, "build", "fast-engine");
  mkdirSync(folder, { recursive: true });
  const commands =
    `cmake -S '${join(root, "host/emulator")}' -B '${folder}' -DCMAKE_BUILD_TYPE=Release && ` +
    `cmake --build '${folder}' -j2 --target ${target}`;
  execFileSync("flock", [join(folder, ".lock"), "sh", "-c", commands], { stdio: "pipe" });
  return join(folder, target);
}

describe("fast engine and golden engine on random layers", () => {
  let lines: readonly string[] = [];

  beforeAll(() => {
    const program = build("fast_cases");
    const seed = 1 + Math.floor(Date.now() / 86_400_000);
    const { stdout } = spawnSync(program, [String(descriptors), String(seed * 100_000)], {
      encoding: "utf8",
    });
    lines = stdout.split("\n");
  }, 900_000);

  it.for(levels[process.arch] ?? ["plain"])("%s", (level, context) => {
    if (lines.includes(`${level}: not on this machine`)) context.skip(`this machine has no ${level}`);
    const line = lines.find((text) => text.startsWith(`${level}: `)) ?? lines.join("\n");
    const found = /^[\w ]+: (\d+) descriptors, (\d+) mismatches, (\d+) threads$/.exec(line);
    expect(found, lines.join("\n")).not.toBeNull();
    expect(Number(found![1])).toBeGreaterThanOrEqual(descriptors);
    expect(found![2], lines.join("\n")).toBe("0");
  });

  it("mixes finite and non-finite activations", () => {
    const found = /^jobs: (\d+) finite, (\d+) not$/m.exec(lines.join("\n"));
    expect(Number(found?.[1])).toBeGreaterThan(100);
    expect(Number(found?.[2])).toBeGreaterThan(0);
  });

  it("joins jobs of a queue where that makes no difference, and not where it does", () => {
    const found = /^queues: (\d+) jobs joined, (\d+) alone$/m.exec(lines.join("\n"));
    expect(Number(found?.[1])).toBeGreaterThan(100);
    expect(Number(found?.[2])).toBeGreaterThan(100);
  });
});
