import { describe, expect, it } from "vitest";
import { compareSequence } from "../../host/engine/comparison.ts";
import type { ImageSource } from "../../host/engine/image-source.ts";
import { randomImage } from "../../host/engine/random-image.ts";
import { Session } from "../../host/engine/session.ts";
import { ReferenceModel } from "../../quant/eval/reference/model.ts";
import { randomModel } from "../../quant/eval/reference/random-model.ts";
import { platforms } from "../../quant/format/platform.ts";
import { emulatorBuilt, openEmulator } from "./emulator.ts";

const tiny = platforms.tiny!;
const model = randomModel(5, {
  hadamard: true,
  centered: true,
  sinks: 2,
  window: 9,
  format: "w4",
  config: { layers: 2, kvHeads: 2, heads: 4, headDim: 8, hiddenSize: 64, vocabSize: 64 },
});
const script = { start: 0, blocks: [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [11], [12, 13, 14, 15, 16, 17]] };

/** The image with one bit of a section flipped. */
function flipped(image: ImageSource, section: string, byte: number, bit: number): ImageSource {
  return {
    header: image.header,
    async readSection(name, target) {
      await image.readSection(name, target);
      if (name === section) target[byte]! ^= 1 << bit;
    },
  };
}

async function compare(image: ImageSource, options = {}): Promise<string | undefined> {
  const device = await openEmulator("tiny");
  try {
    const session = await Session.open({ device, image, trace: true, ...options });
    try {
      return await compareSequence(session, new ReferenceModel(model), script);
    } finally {
      await session.close();
    }
  } finally {
    device.close();
  }
}

describe.skipIf(!emulatorBuilt)(
  "a comparison of golden engine and reference (needs the emulator built)",
  () => {
    const image = randomImage(model, tiny);
    const { tensors, table } = image.header;
    /** First code of row 0: behind the exponents and the first beat of scales. */
    const firstCode = (name: string) => (tensors.find((t) => t.name === name)!.offset + 2) * 64;

    it("finds nothing where nothing differs", async () => {
      expect(await compare(image)).toBeUndefined();
    });

    it.each([
      ["the embedding of token 1", "table", table.embedding.rowBeats * 64, "position 0: embed -> x, value 0"],
      [
        "a gain",
        "table",
        table.gains["model.layers.0.input_layernorm.weight"]! * 64 + 2,
        "layer 0, norm -> a",
      ],
      [
        "a query weight",
        "w0",
        firstCode("model.layers.0.self_attn.q_proj.weight"),
        "layer 0, matmul -> q, value 0",
      ],
      [
        "a weight of the second layer",
        "w0",
        firstCode("model.layers.1.mlp.up_proj.weight"),
        "layer 1, matmul -> u, value 0",
      ],
      ["a key mean", "table", table.keyMeans[0]! * 64 + 2, "layer 0, attend -> a"],
      ["a weight of the head", "w0", firstCode("lm_head.weight"), "logits -> logits, value 0"],
    ])("finds one flipped bit in %s", async (_, section, byte, where) => {
      expect(await compare(flipped(image, section, byte, 0))).toContain(where);
    });

    it("finds a window that is one token too long", async () => {
      expect(await compare(image, { window: 10 })).toMatch(/position 1[0-9]|KV cache|position 9/);
    });
  },
);
