import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { nativeFolder } from "../../../../host/device/native.ts";
import { InterruptedError } from "../../../../host/errors.ts";
import { layerTensorName } from "../../../../quant/format/inventory.ts";
import type { WeightFormat } from "../../../../quant/format/weight-layout.ts";
import { openCheckpoint } from "../../../../quant/io/checkpoint.ts";
import { layerMatrices } from "../../../../quant/native/native-model.ts";
import { calibrate } from "../../../../quant/passes/calibrated.ts";
import type { Calibrated, CalibratedOptions } from "../../../../quant/passes/calibrated-options.ts";
import { newFolder } from "../io/small-checkpoint.ts";
import { randomCheckpoint } from "./random-checkpoint.ts";

const built = existsSync(join(nativeFolder(), "libaccllm_quant.so"));
const original = await openCheckpoint(randomCheckpoint());
afterAll(() => original.close());
const { layers } = original.config;
const names = Array.from({ length: layers }, (_, layer) =>
  layerMatrices.map((matrix) => layerTensorName(layer, matrix)),
).flat();

function calibrated(more: Partial<CalibratedOptions> = {}): Promise<Calibrated> {
  return calibrate(original, {
    formats: new Map(names.map((name): [string, WeightFormat] => [name, "w2"])),
    sequences: [0, 1, 2, 3].map((s) => Array.from({ length: 24 }, (_, i) => (i * i + 5 * s) % 40)),
    hadamard: true,
    centered: true,
    reconstruct: 0,
    finetune: 0,
    threads: 2,
    seed: 1,
    onProgress: () => {},
    output: join(newFolder(), "out.accllm"),
    resume: false,
    ...more,
  });
}

function rowsOf({ checkpoint }: Calibrated, name: string): Promise<Float32Array> {
  return checkpoint.readRows(name, 0, checkpoint.tensors.get(name)!.rows);
}

describe.skipIf(!built)("a calibrated checkpoint (needs the native library built)", () => {
  it("gives several readers of a layer at once what it gives one after the other", async () => {
    const alone = await calibrated();
    const expected: Float32Array[] = [];
    for (const name of names) expected.push(await rowsOf(alone, name));
    alone.close();

    const shared = await calibrated();
    for (let layer = 0; layer < layers; layer++) {
      const own = names.slice(layer * layerMatrices.length, (layer + 1) * layerMatrices.length);
      // Thrice each: as many readers as threads of rounding would have, and more.
      const found = await Promise.all([...own, ...own, ...own].map((name) => rowsOf(shared, name)));
      for (const [i, rows] of found.entries()) {
        expect(rows).toEqual(expected[layer * layerMatrices.length + (i % own.length)]);
      }
    }
    expect(shared.keyMeans).toHaveLength(layers);
    shared.close();
  });

  it("stops when it is interrupted", async () => {
    const controller = new AbortController();
    const stopped = await calibrated({ signal: controller.signal });
    const reading = rowsOf(stopped, names[0]!);
    controller.abort();
    await expect(reading).rejects.toBeInstanceOf(InterruptedError);
    stopped.close();
  });
});
