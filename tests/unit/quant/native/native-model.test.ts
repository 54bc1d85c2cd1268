import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { nativeFolder } from "../../../../host/device/native.ts";
import { FloatModel } from "../../../../quant/eval/float-model.ts";
import { biasName, layerTensorName } from "../../../../quant/format/inventory.ts";
import { openCheckpoint } from "../../../../quant/io/checkpoint.ts";
import { layerMatrices, NativeModel } from "../../../../quant/native/native-model.ts";
import { randomWeights, writeRandom } from "../io/random-checkpoint.ts";

const built = existsSync(join(nativeFolder(), "libaccllm_quant.so"));
const config = { architectures: ["LlamaForCausalLM"], attention_bias: true, num_hidden_layers: 3 };
const sequences = [0, 1, 2].map((s) => Array.from({ length: 30 }, (_, i) => (i * i + 7 * s) % 60));

describe.skipIf(!built)("NativeModel (needs the native library built)", () => {
  it("has the keys of the float model in TypeScript, biases included", async () => {
    const weights = randomWeights(config);
    const checkpoint = await openCheckpoint(writeRandom(config, weights));
    const float = await FloatModel.load(checkpoint);
    await checkpoint.close();
    const sums = [0, 1, 2].map(() => new Float64Array(32));
    float.observeKeys((layer, keys) => {
      for (const [i, key] of keys.entries()) sums[layer]![i % 32]! += key;
    });
    for (const ids of sequences) {
      float.reset();
      float.forward(ids);
    }

    const native = new NativeModel(checkpoint.config, true, 2);
    const of = (name: string) => weights.get(name)!;
    const embedding = of("model.embed_tokens.weight");
    const states = sequences.flat().flatMap((id) => [...embedding.subarray(48 * id, 48 * id + 48)]);
    native.setSequences(sequences, Float32Array.from(states));
    for (let layer = 0; layer < 3; layer++) {
      for (const norm of ["inputNorm", "postNorm"] as const) {
        native.setTensor(layer, norm, of(layerTensorName(layer, norm)));
      }
      for (const matrix of layerMatrices) {
        const name = layerTensorName(layer, matrix);
        native.setTensor(layer, matrix, of(name));
        const bias = weights.get(biasName(name));
        if (bias !== undefined) native.setBias(layer, matrix, bias);
      }
      await native.center(layer);
      await native.target(layer);
      const mean = native.getLayerVector(layer, "keyMean", 32);
      for (const [i, value] of mean.entries()) expect(value).toBeCloseTo(sums[layer]![i]! / 90, 4);
    }
    native.close();
  });
});
