import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { emulatorLibraryPath } from "../../../../host/device/native.ts";
import { loadModels, parseDeviceList } from "../../../../host/engine/load-several.ts";
import { quantizeCheckpoint } from "../../../../quant/passes/quantize.ts";

describe("a list of devices", () => {
  it("names several cards and emulators", () => {
    expect(parseDeviceList("xrt:0,xrt:1")).toEqual(["xrt:0", "xrt:1"]);
    expect(parseDeviceList("emulator, emulator")).toEqual(["emulator", "emulator"]);
  });

  it.each([
    ["xrt:0,xrt:0", "DEVICE_TWICE"],
    ["xrt:3b:00.1,xrt:0000:3B:00.1", "DEVICE_TWICE"],
    ["xrt:0,", "DEVICE_UNKNOWN"],
    ["", "DEVICE_UNKNOWN"],
  ])("refuses '%s'", (text, code) => {
    expect(() => parseDeviceList(text)).toThrowError(expect.objectContaining({ code, exitCode: 2 }));
  });
});

describe.skipIf(!existsSync(emulatorLibraryPath()))("one engine a device (needs build/native)", () => {
  const folder = mkdtempSync(join(tmpdir(), "accllm-several-"));
  const image = join(folder, "demo.accllm");
  afterAll(() => rmSync(folder, { recursive: true }));

  it("models run side by side, and none stays open where one fails", async () => {
    const checkpoint = fileURLToPath(new URL("../../../../models/demo", import.meta.url));
    await quantizeCheckpoint({ checkpoint, output: image, generator: "test" });
    const models = await loadModels(image, { device: "emulator,emulator" });
    const tell = async (model: (typeof models)[number]) => {
      let text = "";
      for await (const token of model.generate("Once upon", { temperature: 0, maxTokens: 8 }))
        text += token.text;
      return text;
    };
    const [first, second] = await Promise.all(models.map(tell));
    expect(first).toMatch(/\w/);
    expect(second).toBe(first);
    for (const model of models) await model.close();
    await expect(loadModels(image, { device: "emulator,xrt:900" })).rejects.toMatchObject({ exitCode: 4 });
  });
});
