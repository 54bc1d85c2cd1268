import { describe, expect, it } from "vitest";
import { randomImage } from "../../host/engine/random-image.ts";
import { Session } from "../../host/engine/session.ts";
import { DescriptorWork } from "../../host/estimate/descriptor-work.ts";
import { Schedule } from "../../host/estimate/schedule.ts";
import { randomModel } from "../../quant/eval/reference/random-model.ts";
import { operations } from "../../quant/format/command.ts";
import { platforms } from "../../quant/format/platform.ts";
import { timingParameters } from "../../quant/format/timing.ts";
import { emulatorBuilt, openEmulator } from "./emulator.ts";

describe.skipIf(!emulatorBuilt)("the emulator's counters (needs it built)", () => {
  it.each(["tiny", "u280"])("are those of the closed form, by operation and in all, on %s", async (name) => {
    const { weightChannels: weight, kvChannels: kv } = platforms[name]!;
    for (const seed of [1, 2, 3]) {
      const model = randomModel(seed, { weightChannels: weight, kvChannels: kv });
      const device = await openEmulator(name);
      const session = await Session.open({
        device,
        image: randomImage(model, platforms[name]!),
        ownsDevice: true,
      });
      try {
        let position = 0;
        for (const tokens of [16, 5, 1, 1]) {
          const count = Math.min(tokens, model.sinks + model.window);
          await session.prefill(Array.from({ length: count }, (_, i) => i % 3));
          const job = { tokens: count, position, firstLogit: count - 1 };
          position += count;
          const schedule = new Schedule(timingParameters);
          const stream = new DescriptorWork(job, { weight, kv }, timingParameters);
          const cycles = Object.fromEntries(Object.keys(operations).map((o) => [o, 0n])) as Record<
            string,
            bigint
          >;
          for (const descriptor of session.plan.forward.descriptors) {
            cycles[descriptor.operation]! += BigInt(schedule.cycles(stream.next(descriptor)));
          }
          expect(session.lastStatus!.cycles).toEqual(cycles);
          expect(session.lastStatus!.totalCycles).toBe(schedule.end);
        }
      } finally {
        await session.close();
      }
    }
  });
});
