import { describe, expect, it } from "vitest";
import type { BenchReport, BenchResult } from "../../../../host/bench/measure.ts";
import type { BenchRequest } from "../../../../host/cli/services.ts";
import { InterruptedError } from "../../../../host/errors.ts";
import { accllm } from "./harness.ts";

const result = (tokensPerSecond: number, modelled: number | null): BenchResult => ({
  tokensPerSecond,
  sd: 1.25,
  best: tokensPerSecond + 1,
  rates: [tokensPerSecond - 1, tokensPerSecond + 1],
  modelledTokensPerSecond: modelled,
});
const prefills = [{ tokens: 16, ...result(300, 4000) }];
const decodes = [
  { depth: 0, ...result(40.5, 1000) },
  { depth: 2000, ...result(39, null) },
];
const report: BenchReport = {
  device: { name: "emulator (fast)", engine: "fast" },
  devices: 1,
  decodeTokens: 8,
  repetitions: 2,
  prefill: prefills[0]!,
  decode: decodes[0]!,
  modelled: { prefillTokensPerSecond: 4000, decodeTokensPerSecond: 1000 },
  prefills,
  decodes,
};

function bench(argv: readonly string[]) {
  const requests: BenchRequest[] = [];
  const services = {
    bench: async (request: BenchRequest) => {
      requests.push(request);
      return report;
    },
  };
  return { requests, run: () => accllm(["bench", "m.accllm", ...argv], { services }) };
}

describe("accllm bench", () => {
  it("prints a table", async () => {
    const { requests, run } = bench([]);
    const { code, stdout } = await run();
    expect(code).toBe(0);
    expect(stdout).toMatch(/prefill +16 tokens +300 +± 1\.3 +301 +4,000/);
    expect(stdout).toMatch(/decode +at depth 2,000 +39\.0 +± 1\.3 +40\.0 +-/);
    expect(stdout).toContain("emulator (fast) · 2 repetitions · 8 tokens a decode");
    expect(requests[0]).toMatchObject({
      path: "m.accllm",
      depths: [0, 512],
      decodeTokens: 32,
      repetitions: 5,
      device: "emulator",
      engine: "fast",
    });
    expect(requests[0]!.prefill).toBeUndefined();
  });

  it("shows watts and tokens/J only where a sensor was read", async () => {
    expect((await bench([]).run()).stdout).not.toMatch(/W, sensor|tokens\/J/);
    const measured = { ...decodes[0]!, watts: 40, tokensPerJoule: 1.0125 };
    const services = { bench: async () => ({ ...report, decodes: [measured, decodes[1]!] }) };
    const { stdout } = await accllm(["bench", "m.accllm"], { services });
    expect(stdout).toMatch(/W, sensor +tokens\/J/);
    expect(stdout).toMatch(/at depth 0 .* 40\.0 +1\.0\n/);
    expect(stdout).toMatch(/at depth 2,000 .* - +-\n/);
  });

  it("prints the whole report as JSON", async () => {
    const { stdout, stderr } = await bench(["--json"]).run();
    expect(JSON.parse(stdout)).toEqual({ image: "m.accllm", ...report });
    expect(stderr).toBe("");
  });

  it("prints CSV with full numbers and empty cells for what is not known", async () => {
    const { stdout } = await bench(["--csv"]).run();
    expect(stdout.split("\n")).toEqual([
      "device,test,tokens,repetitions,tokensPerSecond,sd,best,modelledTokensPerSecond,watts,tokensPerJoule",
      "emulator (fast),prefill,16,2,300,1.25,301,4000,,",
      "emulator (fast),decode,0,2,40.5,1.25,41.5,1000,,",
      "emulator (fast),decode,2000,2,39,1.25,40,,,",
      "",
    ]);
  });

  it("passes on lists, threads and engine", async () => {
    const { requests, run } = bench([
      ..."--prefill 5,600 --depth 1 --threads 3 --engine golden -r 1 --decode-tokens 9".split(" "),
    ]);
    expect((await run()).code).toBe(0);
    expect(requests[0]).toMatchObject({
      prefill: [5, 600],
      depths: [1],
      threads: 3,
      engine: "golden",
      repetitions: 1,
      decodeTokens: 9,
    });
  });

  it.each([
    [["--prefill", "0"], /--prefill cannot be "0".*1 to 65536/],
    [["--depth", "5,,7"], /--depth cannot be "5,,7"/],
    [["--depth", "-1"], /--depth/],
    [["--threads", "0"], /--threads cannot be "0"/],
    [["--repetitions", "0"], /--repetitions/],
    [["--csv", "--json"], /one of --json and --csv/],
  ])("refuses %j", async (argv, message) => {
    const { code, stdout, stderr } = await bench(argv).run();
    expect(code).toBe(2);
    expect(stdout + stderr).toMatch(message);
  });

  it("exits with 130 when interrupted", async () => {
    const services = { bench: () => Promise.reject(new InterruptedError()) };
    expect((await accllm(["bench", "m.accllm"], { services })).code).toBe(130);
  });
});
