import { describe, expect, it } from "vitest";
import { verifyRandom } from "../../host/engine/verify.ts";
import { emulatorBuilt, openEmulator } from "./emulator.ts";

describe.skipIf(!emulatorBuilt)(
  "golden engine and reference on random models (needs the emulator built)",
  () => {
    it.each([
      ["tiny", 0, 60],
      ["u280", 1000, 10],
    ])("agree in every bit on platform %s", async (platform, seed, count) => {
      const device = await openEmulator(platform);
      try {
        const report = await verifyRandom({ device, seed, count });
        expect(report.failures).toEqual([]);
        expect(report).toMatchObject({ cases: count, mismatches: 0 });
      } finally {
        device.close();
      }
    });
  },
);
