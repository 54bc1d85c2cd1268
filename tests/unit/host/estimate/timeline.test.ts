import { describe, expect, it } from "vitest";
import { designOf } from "../../../../host/estimate/design.ts";
import { knownModel } from "../../../../host/estimate/model-shapes.ts";
import { prefillCycles, timeline } from "../../../../host/estimate/timeline.ts";
import { commandStream, plannedHeader } from "../../../../host/estimate/workload.ts";

const design = designOf("u280");
const window = { sinks: 2, window: 2044 };
const model = knownModel("llama-2-7b")!;
const header = plannedHeader(model, design.platform, { weights: "w2s24", lmHead: "w8" }, window);
const stream = commandStream(header, design.platform, window);
const block = (firstLogit: number) => timeline(stream, { tokens: 16, position: 64, firstLogit }, design);

/** Bytes of the image's weights, of the tensors whose names match. */
function weightBytes(names: RegExp): number {
  const beats = header.tensors.filter(({ name }) => names.test(name)).map((tensor) => tensor.beats);
  return beats.reduce((sum, n) => sum + n, 0) * design.platform.weightChannels * 64;
}

describe("a block of a prompt", () => {
  it("reads of the last layer only the keys' and values' weights, where no result is wanted", () => {
    expect(block(15).bytes.weights).toBe(weightBytes(/./));
    const spared = weightBytes(/lm_head|\.31\.(self_attn\.[qo]_proj|mlp\.)/);
    expect(spared).toBeGreaterThan(0);
    expect(block(16).bytes.weights).toBe(weightBytes(/./) - spared);
  });

  it("multiplies in the last layer and in the output matrix for wanted tokens, else for all", () => {
    const attention = 4096 * 4096;
    const mlp = 3 * 4096 * 11_008;
    // Half of the weights of 2:4; W8 has four planes.
    const others = (31 * (4 * attention + mlp)) / 2;
    const [keysAndValues, rest, logits] = [attention, (2 * attention + mlp) / 2, 4 * 32_000 * 4096];
    expect(block(16).products.plane).toBe(16 * (others + keysAndValues));
    expect(block(13).products.plane).toBe(16 * (others + keysAndValues) + 3 * (rest + logits));
  });

  it("attends there with wanted tokens, and writes the cache of all", () => {
    const [none, three, all] = [block(16), block(13), block(0)];
    expect(none.bytes.kvWritten).toBe(all.bytes.kvWritten);
    expect(none.products.attention).toBe((all.products.attention * 31) / 32);
    expect(none.bytes.kvRead).toBe((all.bytes.kvRead * 31) / 32);
    // Tokens at 77, 78 and 79: a query of 128 elements in 32 heads meets each key and each value.
    const products = 2 * 32 * 128 * (78 + 79 + 80);
    expect(three.products.attention - none.products.attention).toBe(products);
  });

  it("takes less time the fewer results are wanted, nearly a layer's share without any", () => {
    const full = block(0).cycles;
    expect(block(15).cycles).toBeLessThan(full);
    expect(block(16).cycles).toBeLessThan(full * (31.3 / 32));
    expect(prefillCycles(stream, 64, design)).toBeLessThan(4 * full);
  });
});
