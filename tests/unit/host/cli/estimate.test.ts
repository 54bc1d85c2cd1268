import { describe, expect, it } from "vitest";
import { estimateReport } from "../../../../host/estimate/report.ts";
import { accllm } from "./harness.ts";

const services = { estimate: estimateReport };

describe("accllm estimate", () => {
  it("prints one object with what scripts read", async () => {
    const { code, stdout, stderr } = await accllm(["estimate", "tinyllama-1.1b", "--json"], { services });
    expect([code, stderr]).toEqual([0, ""]);
    expect(JSON.parse(stdout)).toMatchObject({
      model: "tinyllama-1.1b",
      evidence: "model",
      context: 512,
      decodeTokensPerSecond: expect.any(Number),
      prefillTokensPerSecond: expect.any(Number),
      bytesPerToken: expect.any(Number),
      bound: expect.stringMatching(/^(memory|compute)$/),
      watts: expect.any(Number),
      tokensPerJoule: expect.any(Number),
      resources: {
        lut: expect.any(Number),
        ff: expect.any(Number),
        dsp: expect.any(Number),
        bram36: expect.any(Number),
        uram: expect.any(Number),
      },
      fits: true,
    });
  });

  it("says on every page for people that it is a model", async () => {
    const { stdout } = await accllm(["estimate", "tinyllama-1.1b", "--sweep", "array"], { services });
    expect(stdout).toContain("tinyllama-1.1b on u280 at 225 MHz (model, not measured)");
    expect(stdout).toMatch(/^decode +[\d,.]+ tokens\/s at context 512$/m);
    expect(stdout).toMatch(/^Sweep$/m);
    expect(stdout).toMatch(/^ +32 +8 +225 .* no$/m);
  });

  it("passes its options on", async () => {
    let asked: unknown;
    const estimate: typeof estimateReport = (request) => {
      asked = request;
      return estimateReport(request);
    };
    const line =
      "estimate tinyllama-1.1b --platform u55c --context 9 --weights w4 --lm-head w2 --sinks 1 --window 8";
    await accllm([...line.split(" "), "--clock", "200", "--sweep", "clock", "--json"], {
      services: { estimate },
    });
    expect(asked).toEqual({
      source: "tinyllama-1.1b",
      platform: "u55c",
      context: 9,
      weights: "w4",
      lmHead: "w2",
      sinks: 1,
      window: 8,
      clockMHz: 200,
      sweep: "clock",
    });
  });

  it.each([
    ["estimate nothing-of-that-name", 3],
    ["estimate llama-2-7b --context 0", 2],
    ["estimate llama-2-7b --weights w3", 2],
    ["estimate llama-2-7b --sweep voltage", 2],
    ["estimate", 2],
  ])("ends `%s` with its exit code", async (line, exit) => {
    expect((await accllm(line.split(" "), { services })).code).toBe(exit);
  });
});
