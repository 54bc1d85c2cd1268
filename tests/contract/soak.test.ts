import { execFile, execFileSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "vite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildDouble, buildSoak, buildTimeoutMs, makeWorkspace } from "./support.ts";

describe("emulator under sanitizers", () => {
  let workspace: ReturnType<typeof makeWorkspace>;
  let soak: string;
  beforeAll(() => {
    workspace = makeWorkspace();
    soak = buildSoak();
  }, buildTimeoutMs);
  afterAll(() => workspace.remove());

  it.each([1, 2])("1000 runs with random faults, each reported as itself, and no leak (seed %i)", (seed) => {
    const printed = execFileSync(soak, [workspace.xclbin, "1000", String(seed)], { encoding: "utf8" });
    expect(printed).toBe("1000 runs, 0 unexpected\n");
  });
});

/** `node scripts/soak.mjs` sets it to 100,000. */
const runs = Number(process.env.ACCLLM_SOAK_RUNS || 5_000);

describe("the host under faults", () => {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const outDir = join(root, "build", "contract-soak");
  let workspace: ReturnType<typeof makeWorkspace>;
  let library: string;
  beforeAll(async () => {
    workspace = makeWorkspace();
    library = buildDouble();
    const ssr = join(root, "tests/contract/soak-scenario.ts");
    await build({
      configFile: false,
      logLevel: "error",
      build: { ssr, outDir, emptyOutDir: true, target: "node20" },
    });
  }, buildTimeoutMs);
  afterAll(() => workspace.remove());

  it(`${runs} runs with random faults, each its own error, the session usable after, memory flat`, async () => {
    const script = join(outDir, "soak-scenario.js");
    const args = ["--expose-gc", script, workspace.xclbin, String(runs), "7", library];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    const report = JSON.parse(stdout) as {
      unexpected: string[];
      faults: Record<string, number>;
      samples: number[];
    };
    expect(report.unexpected).toEqual([]);
    expect(Object.keys(report.faults)).toHaveLength(9);
    // The first 20,000 runs or so warm up the heap and the compiler.
    const [, , start = 0, ...later] = report.samples;
    // In a short run one page more of the heap is a large part.
    const slack = runs < 100_000 ? 16 * 2 ** 20 : 0;
    expect(Math.max(...later)).toBeLessThan(start * 1.05 + slack);
    if (runs > 5_000) process.stdout.write(`${stdout}`);
  }, 1_800_000);
});
