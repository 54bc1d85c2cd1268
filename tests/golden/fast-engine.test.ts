import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EngineName } from "../../host/config/engine.ts";
import { openDevice } from "../../host/device/open.ts";
import { emulationXclbin } from "../../host/device/xclbin/index.ts";
import { Session } from "../../host/engine/session.ts";
import { type Image, openImage } from "../../quant/format/image.ts";
import { platforms } from "../../quant/format/platform.ts";
import { type QuantizeOptions, quantizeCheckpoint } from "../../quant/passes/quantize.ts";
import { demoCheckpoint, sharedData } from "../unit/shared-data.ts";
import { emulatorBuilt } from "./emulator.ts";

const checkpoints: [string, Omit<QuantizeOptions, "output">][] = [
  ["the demo", { checkpoint: demoCheckpoint }],
  ["the demo in W4", { checkpoint: demoCheckpoint, weights: "w4" }],
  [
    "stories260K",
    {
      checkpoint: sharedData("models/stories260K/stories260K.bin"),
      tokenizer: sharedData("models/stories260K/tok512.bin"),
      weights: "w2",
    },
  ],
  ["story-hf", { checkpoint: sharedData("models/story-hf"), weights: "w8" }],
];

/** A window that the generation runs around twice, in a ring that does not end with a block of the cache. */
const sinks = 3;
const window = 29;
const steps = 80;

function largestAt(logits: Float32Array): number {
  return logits.reduce((best, value, i) => (value > logits[best]! ? i : best), 0);
}

describe.skipIf(!emulatorBuilt)("whole generations on both engines (needs the emulator built)", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "accllm-fast-"));
    writeFileSync(join(folder, "u280.xclbin"), emulationXclbin(platforms.u280!));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  async function open(image: Image, engine: EngineName): Promise<Session> {
    const device = await openDevice("emulator", { engine });
    device.load(join(folder, "u280.xclbin"));
    return Session.open({ device, image, ownsDevice: true, sinks, window });
  }

  /** Everything a generation yields, from `start` on: tokens, all logits, the modelled cycles, the cache. */
  async function generate(session: Session, start: number) {
    session.startAt(start);
    const prompt = Array.from({ length: 27 }, (_, i) => 1 + ((i * 53) % 400));
    const logits = [(await session.prefill(prompt)).slice()];
    const tokens: number[] = [];
    for (let step = 0; step < steps; step++) {
      tokens.push(largestAt(logits.at(-1)!));
      logits.push((await session.decode(tokens.at(-1)!)).slice());
    }
    const cache = Array.from({ length: session.layers }, (_, layer) => session.readKv(layer, 0));
    return { tokens, logits, cache, cycles: session.lastStatus!.cycles };
  }

  for (const [name, options] of checkpoints) {
    it.skipIf(!existsSync(options.checkpoint))(
      `are the same in every bit on ${name}, whose checkpoint must be there`,
      async () => {
        const output = join(folder, "model.accllm");
        await quantizeCheckpoint({ ...options, output });
        const image = await openImage(output);
        const golden = await open(image, "golden");
        const fast = await open(image, "fast");
        try {
          for (const start of [0, 5_000_000]) {
            const expected = await generate(golden, start);
            const found = await generate(fast, start);
            expect(found.tokens).toEqual(expected.tokens);
            expect(found).toEqual(expected);
          }
        } finally {
          await golden.close();
          await fast.close();
          await image.close();
        }
      },
      300_000,
    );
  }

  it("gives new results for weights that are written again", async () => {
    const output = join(folder, "model.accllm");
    await quantizeCheckpoint({ checkpoint: demoCheckpoint, output });
    const image = await openImage(output);
    const device = await openDevice("emulator", { engine: "fast" });
    device.load(join(folder, "u280.xclbin"));
    const all: Float32Array[] = [];
    for (const flipped of [false, true, false]) {
      // A session of its own: its buffers have the addresses that the last one's had.
      const session = await Session.open({
        device,
        image: {
          header: image.header,
          async readSection(section, target) {
            await image.readSection(section, target);
            if (flipped && section === "w0") target[1000]! ^= 3;
          },
        },
      });
      all.push((await session.prefill([1, 2, 3])).slice());
      await session.close();
    }
    device.close();
    await image.close();
    expect(all[1]).not.toEqual(all[0]);
    expect(all[2]).toEqual(all[0]);
  });
});
