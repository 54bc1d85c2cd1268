import { describe, expect, it } from "vitest";
import { compareSequence } from "../../host/engine/comparison.ts";
import { randomImage } from "../../host/engine/random-image.ts";
import { Session } from "../../host/engine/session.ts";
import { writeTokenRecords } from "../../host/engine/tables.ts";
import { ReferenceModel } from "../../quant/eval/reference/model.ts";
import { Random } from "../../quant/eval/reference/random.ts";
import { randomModel } from "../../quant/eval/reference/random-model.ts";
import { tokenFields } from "../../quant/format/command.ts";
import { beatBytes } from "../../quant/format/limits.ts";
import { platforms } from "../../quant/format/platform.ts";
import { emulatorBuilt, openEmulator } from "./emulator.ts";

const platform = platforms.tiny!;
const starts = [4_194_300, 16_777_210, 2 ** 31 - 200];

describe("token records far out", () => {
  it("hold every position as it is and the cosine of its whole angle, past 2^24 where float32 would merge them", () => {
    // One radian a position, reduced by hand: the angle modulo 2 pi from integers scaled by 10^40.
    const twoPi = 62_831_853_071_795_864_769_252_867_665_590_057_683_943n;
    const digits = 10n ** 40n;
    for (const first of starts) {
      const tokens = [5, 6, 7];
      const stride = 2 * beatBytes;
      const bytes = new Uint8Array(tokens.length * stride);
      writeTokenRecords(bytes, stride, { tokens, position: first }, 99, Float64Array.of(1));
      const view = new DataView(bytes.buffer);
      tokens.forEach((token, t) => {
        const record = t * stride;
        expect(view.getUint32(record + 4 * tokenFields.token, true)).toBe(token);
        expect(view.getUint32(record + 4 * tokenFields.position, true)).toBe(first + t);
        expect(view.getUint32(record + 4 * tokenFields.sinkPosition, true)).toBe(99);
        const angle = Number((BigInt(first + t) * digits) % twoPi) / 1e40;
        expect(view.getFloat32(record + beatBytes, true)).toBeCloseTo(Math.cos(angle), 6);
        expect(view.getFloat32(record + beatBytes + 4, true)).toBeCloseTo(Math.sin(angle), 6);
      });
    }
  });
});

describe.skipIf(!emulatorBuilt)("sequences that start far out (needs the emulator built)", () => {
  it.each([
    ["fast", 0],
    ["fast", 3],
    ["fast", 8],
    ["golden", 3],
  ] as const)(
    "are the reference's in every bit: %s engine, random model %d, positions past 4, 16 and 2,147 million",
    async (engine, seed) => {
      const device = await openEmulator("tiny", engine);
      try {
        const spec = randomModel(seed, platform);
        const { sinks, window } = spec;
        const image = randomImage(spec, platform);
        const session = await Session.open({ device, image, sinks, window, trace: true });
        const random = new Random(seed);
        for (const start of starts) {
          const blocks = [16, 1, 16, 3, 1, 1].map((size) =>
            Array.from({ length: size }, () => random.below(spec.config.vocabSize)),
          );
          expect(await compareSequence(session, new ReferenceModel(spec), { start, blocks })).toBeUndefined();
        }
        await session.close();
      } finally {
        device.close();
      }
    },
  );

  it("does not grow over two thousand tokens behind a full window", async () => {
    const device = await openEmulator("tiny", "fast");
    try {
      const spec = randomModel(3, platform);
      const session = await Session.open({
        device,
        image: randomImage(spec, platform),
        sinks: 2,
        window: 30,
      });
      const run = async (count: number) => {
        for (let i = 0; i < count; i++) await session.decode(i % spec.config.vocabSize);
        return process.memoryUsage.rss();
      };
      // The collector and the just-in-time compiler settle first.
      await run(3000);
      const before = await run(500);
      const after = await run(2000);
      expect(after).toBeLessThan(before + 16e6);
      await session.close();
    } finally {
      device.close();
    }
  });
});
