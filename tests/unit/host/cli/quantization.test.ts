import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { QuantizeOptions, QuantizeReport } from "../../../../quant/passes/quantize.ts";
import type { Sensitivity } from "../../../../quant/passes/sensitivity.ts";
import { accllm } from "./harness.ts";

const layer = "model.layers.0.mlp.up_proj.weight";
const losses = (size: number) => ({ w2s24: 3 * size, w2: size, w4: size / 20, w8: size / 5000 });
const measured: Sensitivity = {
  tokens: 256,
  tensors: [
    { name: layer, rows: 512, columns: 512, losses: losses(0.02) },
    { name: "model.layers.0.mlp.down_proj.weight", rows: 512, columns: 512, losses: losses(0.5) },
    { name: "lm_head.weight", rows: 512, columns: 512, losses: losses(0.1) },
  ],
};
const report: QuantizeReport = {
  image: "o<1>.accllm",
  bytes: 1000,
  bitsPerWeight: 3,
  seconds: 1,
  weights: "w2",
  keyMeans: "none",
  method: "gptq",
  tensors: [
    {
      name: layer,
      format: "w2",
      weights: 262144,
      bitsPerWeight: 2.4,
      relativeError: 0.4,
      exact: false,
      roundedRows: 0,
    },
  ],
};
const folder = mkdtempSync(join(tmpdir(), "accllm-quantization-"));
afterAll(() => rmSync(folder, { recursive: true }));

function services() {
  const asked: QuantizeOptions[] = [];
  return {
    asked,
    services: {
      sensitivity: async () => measured,
      quantize: async (options: QuantizeOptions) => {
        asked.push(options);
        return report;
      },
      perplexity: async ({ path }: { readonly path: string }) => ({
        tokens: 4096,
        nll: 1,
        perplexity: path === "c" ? 10 : 12.5,
        seconds: 1,
      }),
    },
  };
}

describe("accllm quantize around quantizing", () => {
  it("ranks tensors without an image", async () => {
    const { services: own, asked } = services();
    const { code, stdout } = await accllm(["quantize", "c", "--sensitivity"], { services: own });
    expect(code).toBe(0);
    expect(asked).toEqual([]);
    const lines = stdout.split("\n");
    expect(lines[0]).toMatch(/^tensor +format +w2s24 +w2 +w4 +w8$/);
    // By what each loses in the format that it would have: w2 in the layers, w8 for the output matrix.
    expect(lines.slice(1, 4).map((line) => line.split(/ +/).slice(0, 2).join(" "))).toEqual([
      "model.layers.0.mlp.down_proj.weight w2",
      `${layer} w2`,
      "lm_head.weight w8",
    ]);
    const json = await accllm(["quantize", "c", "--sensitivity", "--json"], { services: own });
    expect(JSON.parse(json.stdout)).toEqual({ sensitivity: measured });
  });

  it("gives the formats of a budget to the quantizer, and overrides over them", async () => {
    const { services: own, asked } = services();
    const argv = ["quantize", "c", "-o", "o", "--budget", "4.2", "--override", "lm_head=w2"];
    expect((await accllm(argv, { services: own })).code).toBe(0);
    const formats = asked[0]!.overrides!;
    expect(formats.at(-1)).toEqual({ tensor: "lm_head", format: "w2" });
    expect(formats).toContainEqual({ tensor: "model.layers.0.mlp.down_proj.weight", format: "w4" });
    expect(formats).toContainEqual({ tensor: layer, format: "w4" });
  });

  it("refuses a budget that cannot be met, and a run without an image", async () => {
    const { services: own, asked } = services();
    const small = await accllm(["quantize", "c", "-o", "o", "--budget", "1.5"], { services: own });
    expect(small.code).toBe(2);
    expect(small.stderr).toMatch(/1\.5 bits a weight cannot be met/);
    const none = await accllm(["quantize", "c"], { services: own });
    expect(none.code).toBe(2);
    expect(none.stderr).toMatch(/no image to write/);
    expect(asked).toEqual([]);
  });

  it("writes a page without scripts, with the perplexity before and after", async () => {
    const page = join(folder, "page.html");
    const argv = ["quantize", "c", "-o", "o", "--sensitivity", "--evaluate", "text.txt", "--report", page];
    const { code, stdout } = await accllm(argv, { services: services().services });
    expect(code).toBe(0);
    expect(stdout).toMatch(/perplexity 10\.0000 before, 12\.5000 after \(1\.2500 of it\)/);
    const html = readFileSync(page, "utf8");
    expect(html).not.toMatch(/<script|https?:|o<1>/);
    expect(html).toContain("o&lt;1>.accllm");
    expect(html).toContain("<td>1.2500");
    expect(html).toMatch(
      /up_proj.weight<td>w2<td class="n">262,144<td class="n">2\.40<td class="n">0\.400<td class="n">0\.0200/,
    );
    expect(readdirSync(folder)).toEqual(["page.html"]);
  });
});
