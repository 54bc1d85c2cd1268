import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { requireDifferentCards } from "../../../../host/device/card-access.ts";
import { emulatorLibraryPath } from "../../../../host/device/native.ts";
import { parseDeviceList } from "../../../../host/device/specification.ts";
import { loadModels, optionsForEach } from "../../../../host/engine/load-several.ts";
import { quantizeCheckpoint } from "../../../../quant/passes/quantize.ts";
import { FakeMachine } from "../device/fake-machine.ts";

describe("a list of devices", () => {
  it("names several cards and emulators", () => {
    expect(parseDeviceList("xrt:0,xrt:1")).toEqual(["xrt:0", "xrt:1"]);
    expect(parseDeviceList("emulator, emulator")).toEqual(["emulator", "emulator"]);
    expect(parseDeviceList("emulator:2,xrt:3")).toEqual(["emulator", "emulator", "xrt:3"]);
  });

  it("refuses a card that is named by its index and by its address", async () => {
    const machine = new FakeMachine();
    machine.addCard({ bdf: "0000:3b:00.1", driver: "xocl", renderNode: "renderD128" });
    machine.addCard({ bdf: "0000:5e:00.1", driver: "xocl", renderNode: "renderD129" });
    await requireDifferentCards(["xrt:0", "xrt:0000:5e:00.1", "emulator", "emulator"], machine);
    await expect(requireDifferentCards(["xrt:1", "xrt:5e:00.1"], machine)).rejects.toMatchObject({
      code: "DEVICE_TWICE",
    });
    machine.remove();
  });

  it("shares the cores among emulators, unless threads are named", async () => {
    const cores = availableParallelism();
    const threads = async (device: string, given?: number) =>
      (await optionsForEach({ device, threads: given })).map((options) => options.threads);
    expect(await threads("emulator")).toEqual([undefined]);
    expect(await threads("emulator:2")).toEqual([Math.max(1, cores >> 1), Math.max(1, cores >> 1)]);
    expect(await threads("emulator:2", 7)).toEqual([7, 7]);
  });

  it.each([
    ["xrt:0,xrt:0", "DEVICE_TWICE"],
    ["xrt:3b:00.1,xrt:0000:3B:00.1", "DEVICE_TWICE"],
    ["xrt:0,", "DEVICE_UNKNOWN"],
    ["", "DEVICE_UNKNOWN"],
    ["emulator:0", "DEVICE_UNKNOWN"],
    ["emulator:1000", "DEVICE_UNKNOWN"],
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
