import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildSoak, buildTimeoutMs, makeWorkspace } from "./support.ts";

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
