import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openImage } from "../../../../quant/format/image.ts";
import { keepPatterns } from "../../../../quant/format/weight-layout.ts";
import { unpackRows } from "../../../../quant/format/weight-pack.ts";
import { openCheckpoint } from "../../../../quant/io/checkpoint.ts";
import { quantizeCheckpoint } from "../../../../quant/passes/quantize.ts";

const demo = fileURLToPath(new URL("../../../../models/demo", import.meta.url));
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "accllm-quantize-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("the demo checkpoint", () => {
  it("loses nothing in its block matrices", async () => {
    const output = join(folder, "demo.accllm");
    const report = await quantizeCheckpoint({ checkpoint: demo, output });
    expect(report.weights).toBe("w2s24");
    const blocks = report.tensors.filter(({ name }) => name !== "lm_head.weight");
    expect(blocks.length).toBe(28);
    for (const { name, exact, relativeError, format } of blocks) {
      expect({ name, exact, relativeError, format }).toEqual({
        name,
        exact: true,
        relativeError: 0,
        format: "w2s24",
      });
    }

    const image = await openImage(output);
    const checkpoint = await openCheckpoint(demo);
    for (const { name } of blocks) {
      const { layout, channels } = await image.matrix(name);
      const stored = unpackRows(layout, channels, 0, layout.rows);
      const original = await checkpoint.readRows(name, 0, layout.rows);
      const values = new Float64Array(layout.rows * layout.columns);
      for (let i = 0; i < values.length; i++) {
        const row = Math.floor(i / layout.columns);
        const column = i % layout.columns;
        const group = row * layout.groups + (column >> 6);
        const pattern = stored.patterns![(group * 64 + (column & 63)) >> 2]!;
        if (!(keepPatterns[pattern] as readonly number[]).includes(column & 3)) continue;
        const code = stored.codes[group * 64 + (column & 63)]!;
        values[i] =
          stored.scales[group]! * 2 ** stored.exponents[row]! * (code - stored.zeroHalves[group]! / 2);
      }
      expect(
        Buffer.compare(
          Buffer.from(Float32Array.from(values).buffer),
          Buffer.from(original.map((v) => v + 0).buffer),
        ),
      ).toBe(0);
    }
    await checkpoint.close();
    await image.close();
    console.log(JSON.stringify({ ...report, tensors: report.tensors.slice(-2) }));
  });
});
