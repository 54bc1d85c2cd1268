import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { inspectFile } from "../../../../host/cli/inspection.ts";
import { emulationXclbin } from "../../../../host/device/xclbin/index.ts";
import { platforms } from "../../../../quant/format/platform.ts";
import { quantizeCheckpoint } from "../../../../quant/passes/quantize.ts";

const demo = fileURLToPath(new URL("../../../../models/demo", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "accllm-inspect-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe("inspectFile", () => {
  it("tells a checkpoint's dimensions, tensors and parameters", async () => {
    const { kind, json, sections } = await inspectFile(demo);
    expect(kind).toBe("checkpoint");
    // From the demo model's README: 3.48 M parameters, untied.
    expect(json).toMatchObject({
      format: "huggingface",
      parameters: 3_475_712,
      tied: false,
      tokenizer: true,
    });
    const tensors = sections.find(({ title }) => title === "Tensors")!.rows;
    expect(tensors).toContainEqual(["model.layers.3.mlp.down_proj.weight", "F16", "256 x 704"]);
    // 9 tensors a layer, the embedding, the last norm and lm_head.
    expect(tensors).toHaveLength(4 * 9 + 3);
  });

  it("tells what an image holds, in plain JSON", async () => {
    const image = join(folder, "demo.accllm");
    await quantizeCheckpoint({ checkpoint: demo, output: image, generator: "test 1.2" });
    const { kind, json, sections } = await inspectFile(image);
    expect(kind).toBe("image");
    expect(json).toMatchObject({ header: { generator: "test 1.2", quantization: { weights: "w2s24" } } });
    expect(() => JSON.stringify(json)).not.toThrow();
    expect(sections.find(({ title }) => title === "Model")!.rows).toContainEqual(["hiddenSize", "256"]);
    const banks = sections.find(({ title }) => title === "Memory on the device")!.rows;
    expect(banks).toHaveLength(34);
    expect(banks[0]).toEqual([
      "HBM[0]",
      expect.stringMatching(/ of 268 MB$/),
      expect.stringMatching(/^w0 .*, kv0 /),
    ]);
  });

  it("tells an xclbin's kernel, banks and UUID, in plain JSON", async () => {
    const { kind, json, sections } = await inspectFile(file("a.xclbin", emulationXclbin(platforms.u280!)));
    expect(kind).toBe("xclbin");
    expect(json).toMatchObject({ mode: "sw_emu", computeUnits: ["accllm:accllm_1"] });
    expect(() => JSON.stringify(json)).not.toThrow();
    const memory = sections.find(({ title }) => title === "Memory")!.rows;
    expect(memory).toContainEqual(["HBM[1]", "268 MB", "0x10000000", "w1, kv1"]);
    expect(json).toMatchObject({ connections: { "DDR[1]": "io" } });
  });

  it.each([
    ["another file", file("notes.txt", "just some text, longer than a magic number"), "FILE_UNKNOWN"],
    ["an empty file", file("empty", ""), "FILE_UNKNOWN"],
    [
      "an xclbin that is cut off",
      file("cut.xclbin", emulationXclbin(platforms.u280!).subarray(0, 900)),
      "XCLBIN_INVALID",
    ],
    ["a folder without a checkpoint", folder, expect.any(String)],
  ])("refuses %s", async (_, path, code) => {
    await expect(inspectFile(path)).rejects.toMatchObject({ code, exitCode: 3 });
  });
});
