import { describe, expect, it } from "vitest";
import type { CliContext } from "../../../../../host/cli/context.ts";
import { loadingProgress } from "../../../../../host/cli/render/progress.ts";
import { Sink } from "../harness.ts";

function load(quietMs: number): string {
  const stderr = new Sink();
  const progress = loadingProgress({ stderr } as unknown as CliContext, quietMs);
  for (const done of [0, 100, 200, 300, 400]) progress.update(done, 400);
  progress.stop();
  return stderr.text;
}

describe("the progress of loading a model", () => {
  it("says nothing of what is quick", () => {
    expect(load(Number.POSITIVE_INFINITY)).toBe("");
  });

  it("tells the quarters of what takes time", () => {
    expect(load(0)).toBe("Loading 0 %\nLoading 25 %\nLoading 50 %\nLoading 75 %\nLoading 100 %\n");
  });
});
