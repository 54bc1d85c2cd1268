import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { nativeFolder } from "../../../../host/device/native.ts";
import { FloatModel } from "../../../../quant/eval/float-model.ts";
import { ReferenceModel } from "../../../../quant/eval/reference/model.ts";
import { openImage } from "../../../../quant/format/image.ts";
import { readImageContents } from "../../../../quant/format/image-reference.ts";
import { openCheckpoint } from "../../../../quant/io/checkpoint.ts";
import { quantizeCheckpoint } from "../../../../quant/passes/quantize.ts";
import { randomWeights, writeRandom } from "../io/random-checkpoint.ts";
import { newFolder } from "../io/small-checkpoint.ts";

const built = existsSync(join(nativeFolder(), "libaccllm_quant.so"));
const config = { architectures: ["Qwen2ForCausalLM"] };
const tokens = Array.from({ length: 24 }, (_, i) => (i * i + 3 * i) % 60);

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, v, i) => sum + v * y[i]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

describe("quantizing a model with biases", () => {
  const weights = randomWeights(config);
  const folder = writeRandom(config, weights);

  it.each([
    ["fast", {}],
    ["gptq", { method: "gptq" as const, reconstruct: 1, finetune: 1 }],
  ])("keeps them bit for bit and gives the float model's logits: %s", async (name, options) => {
    if (name === "gptq" && !built) return;
    const output = join(newFolder(), "out.accllm");
    await quantizeCheckpoint({ checkpoint: folder, output, platform: "tiny", weights: "w8", ...options });
    const image = await openImage(output);
    for (const [name, values] of weights) {
      if (name.endsWith(".bias")) expect(await image.bias(name.replace("bias", "weight"))).toEqual(values);
    }
    expect(await image.bias("model.layers.0.self_attn.o_proj.weight")).toBeUndefined();
    expect(image.header.model.attentionBias).toBe("qkv");
    const reference = new ReferenceModel(await readImageContents(image));
    await image.close();
    let logits: Float32Array | undefined;
    for (const [position, token] of tokens.entries()) logits = reference.step(token, position);
    const checkpoint = await openCheckpoint(folder);
    const float = await FloatModel.load(checkpoint);
    await checkpoint.close();
    expect(cosine(logits!, float.forward(tokens))).toBeGreaterThan(0.995);
  });
});
