import { describe, expect, it } from "vitest";
import type { Services } from "../../../../host/cli/services.ts";
import type { QuantizeReport } from "../../../../quant/passes/quantize.ts";
import { accllm } from "./harness.ts";

/** A service that records its first argument. */
function recording<Result>(result: Result) {
  const calls: unknown[][] = [];
  const service = async (...args: unknown[]) => {
    calls.push(args);
    return result;
  };
  return { calls, service };
}

describe("accllm quantize", () => {
  const report: QuantizeReport = {
    image: "o.accllm",
    bytes: 1_234_567,
    bitsPerWeight: 2.5,
    seconds: 3.25,
    weights: "w2",
    keyMeans: "self",
    method: "round",
    tensors: [
      {
        name: "a",
        format: "w2",
        weights: 1000,
        bitsPerWeight: 2.4,
        relativeError: 0.25,
        exact: false,
        roundedRows: 0,
      },
      {
        name: "b",
        format: "w2",
        weights: 1000,
        bitsPerWeight: 2.4,
        relativeError: 0.5,
        exact: false,
        roundedRows: 0,
      },
      {
        name: "c",
        format: "w8",
        weights: 1000,
        bitsPerWeight: 8.4,
        relativeError: 0.001,
        exact: false,
        roundedRows: 0,
      },
    ],
  };

  it("fills in the defaults", async () => {
    const { calls, service } = recording(report);
    const { code } = await accllm(["quantize", "ckpt", "-o", "o.accllm"], {
      services: { quantize: service },
    });
    expect(code).toBe(0);
    expect(calls[0]![0]).toMatchObject({
      checkpoint: "ckpt",
      output: "o.accllm",
      weights: "auto",
      overrides: [],
      hadamard: true,
      centerKeys: true,
    });
  });

  it("passes on what is asked for", async () => {
    const { calls, service } = recording(report);
    const argv = [
      "quantize",
      "c",
      "-o",
      "o",
      "--weights",
      "w4",
      "--no-rotate-kv",
      "--no-center-k",
      "--calibration",
      "stories.txt",
      "--sinks",
      "0",
      "--window",
      "32",
    ];
    argv.push(
      "--override",
      "lm_head.weight=w8",
      "--override",
      "x=w2s24",
      "--tokenizer",
      "t.bin",
      "--group",
      "64",
    );
    await accllm(argv, { services: { quantize: service } });
    expect(calls[0]![0]).toMatchObject({
      weights: "w4",
      overrides: [
        { tensor: "lm_head.weight", format: "w8" },
        { tensor: "x", format: "w2s24" },
      ],
      hadamard: false,
      centerKeys: false,
      calibration: "stories.txt",
      sinks: 0,
      window: 32,
      tokenizer: "t.bin",
    });
  });

  it("prints the report for people and for machines", async () => {
    const services = { quantize: async () => report };
    const { stdout } = await accllm(["quantize", "c", "-o", "o"], { services });
    expect(stdout).toBe(
      [
        "format  tensors  largest relative error",
        "w2            2                   0.500",
        "w8            1                 0.00100",
        "",
        "image    o.accllm",
        "size     1.23 MB",
        "weights  2.50 bits each",
        "method   round",
        "keys     centred on what the model wrote",
        "time     3.3 s",
        "",
      ].join("\n"),
    );
    expect(JSON.parse((await accllm(["quantize", "c", "-o", "o", "--json"], { services })).stdout)).toEqual(
      report,
    );
  });

  it("shows sparse plain progress on stderr where it is no terminal", async () => {
    const quantize: Services["quantize"] = async (_, { progress } = {}) => {
      for (let done = 0; done <= 100; done++) progress?.({ done, total: 100, tensor: `tensor ${done}` });
      return report;
    };
    const { stdout, stderr } = await accllm(["quantize", "c", "-o", "o", "--json"], {
      services: { quantize },
    });
    expect(stderr.split("\n")).toEqual([0, 25, 50, 75, 100].map((part) => `Quantizing ${part} %`).concat(""));
    expect(JSON.parse(stdout)).toEqual(report);
  });

  it("shows a bar on a terminal and takes it away, also on failure", async () => {
    const quantize: Services["quantize"] = async (_, { progress } = {}) => {
      progress?.({ done: 1, total: 2, tensor: "model.norm" });
      throw new Error("stop here");
    };
    const { stderr } = await accllm(["quantize", "c", "-o", "o"], { services: { quantize }, isTTY: true });
    expect(stderr).toMatch(/Quantizing .*█+.*░+.* 50 %.*model\.norm/);
    // The cursor is shown again.
    expect(stderr).toContain("\u001b[?25h");
    expect(stderr).toMatch(/error:.* Internal error: stop here/);
  });

  it.each([
    [["--override", "lm_head"], /not of the form TENSOR=FORMAT/],
    [["--override", "lm_head=w3"], /w2s24, w2, w4, w8/],
    [["--group", "32"], /--group cannot be "32"/],
    [["--window", "0"], /--window cannot be "0": it must be at least 1/],
  ])("refuses %o with exit code 2", async (args, message) => {
    const { code, stderr } = await accllm(["quantize", "c", "-o", "o", ...args]);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});

describe("accllm perplexity", () => {
  const report = { tokens: 1000, nll: 3.4625, perplexity: Math.exp(3.4625), seconds: 2 };

  it("passes on what is asked for and prints the report", async () => {
    const { calls, service } = recording(report);
    const argv = [
      "perplexity",
      "m",
      "--text",
      "t.txt",
      "--context",
      "256",
      "--max-tokens",
      "1000",
      "--tokenizer",
      "k",
    ];
    const { code, stdout } = await accllm(argv, { services: { perplexity: service } });
    expect(calls[0]![0]).toMatchObject({
      path: "m",
      text: "t.txt",
      context: 256,
      maxTokens: 1000,
      tokenizer: "k",
      device: "emulator",
    });
    expect(code).toBe(0);
    expect(stdout).toBe(
      "perplexity  31.8966\nloss        3.4625 nats/token\ntokens      1,000\ntime        2.0 s\n",
    );
    const json = await accllm([...argv, "--json"], { services: { perplexity: service } });
    expect(JSON.parse(json.stdout)).toEqual(report);
  });

  it("needs a text and a context of at least two tokens", async () => {
    expect((await accllm(["perplexity", "m"])).stderr).toContain("--text <file>");
    expect((await accllm(["perplexity", "m", "--text", "t", "--context", "1"])).code).toBe(2);
  });
});

describe("accllm verify", () => {
  it("exits with 0 where nothing differs and with 1 where something does", async () => {
    const { calls, service } = recording({ cases: 201, mismatches: 0, failures: [] });
    const good = await accllm(["verify", "m", "--random", "5", "--seed", "9"], {
      services: { verify: service },
    });
    expect(good).toMatchObject({ code: 0, stdout: "201 cases, 0 mismatches\n" });
    expect(calls[0]![0]).toEqual({
      path: "m",
      randomCases: 5,
      seed: 9,
      device: "emulator",
      engine: "fast",
    });

    const failures = [{ case: "layer 0", detail: "bit 3" }];
    const services = { verify: async () => ({ cases: 2, mismatches: 1, failures }) };
    const bad = await accllm(["verify", "m"], { services });
    expect(bad).toMatchObject({ code: 1, stdout: "differs  layer 0: bit 3\n2 cases, 1 mismatch\n" });
    const json = await accllm(["verify", "m", "--json"], { services });
    expect(json.code).toBe(1);
    expect(JSON.parse(json.stdout)).toEqual({ cases: 2, mismatches: 1, failures });
  });
});

describe("accllm inspect", () => {
  it("prints sections as tables, or the content as JSON", async () => {
    const services: Partial<Services> = {
      inspect: async () => ({
        kind: "image",
        json: { layers: 4 },
        sections: [
          { title: "Model", rows: [["layers", "4"]] },
          {
            title: "Tensors",
            rows: [
              ["a", "w2"],
              ["long", "w8"],
            ],
          },
        ],
      }),
    };
    const { stdout } = await accllm(["inspect", "f"], { services });
    expect(stdout).toBe("Model\n  layers  4\n\nTensors\n  a     w2\n  long  w8\n");
    expect((await accllm(["inspect", "f", "--json"], { services })).stdout).toBe('{"layers":4}\n');
  });
});

describe("accllm doctor and devices", () => {
  const checks = [
    { check: "node", status: "ok", detail: "20.12", hint: "not shown" },
    { check: "card", status: "warn", detail: "none", hint: "The emulator needs none." },
  ] as const;

  it("lists checks, with the hints of those that are not ok", async () => {
    const services = { doctor: async () => checks };
    const { code, stdout } = await accllm(["doctor"], { services });
    expect(code).toBe(0);
    expect(stdout).toBe("ok    node  20.12\nwarn  card  none\n            The emulator needs none.\n");
    expect(JSON.parse((await accllm(["doctor", "--json"], { services })).stdout)).toEqual(checks);
  });

  it("exits with 4 where a check fails", async () => {
    const services = {
      doctor: async () => [{ check: "emulator", status: "fail", detail: "not built" }] as const,
    };
    expect((await accllm(["doctor"], { services })).code).toBe(4);
  });

  it("lists devices by the name that --device takes", async () => {
    const entries = [
      { device: "emulator", name: "emulator (golden)", status: "ok", detail: "ready" },
    ] as const;
    const { stdout } = await accllm(["devices"], { services: { devices: async () => entries } });
    expect(stdout).toBe("ok  emulator  ready\n");
  });
});
