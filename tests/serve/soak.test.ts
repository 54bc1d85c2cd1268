import { expect, it } from "vitest";
import { soak } from "../../scripts/serve-soak.mjs";
import { emulatorBuilt, quantizeDemo, startServer } from "./fixture.ts";

it.skipIf(!emulatorBuilt)(
  "40 clients, some of whom leave, all get what they would get alone (needs the emulator built)",
  async () => {
    const image = await quantizeDemo();
    const { server, url } = await startServer(image.path, { queueLimit: 16 });
    try {
      const result = await soak(url, { clients: 40, seconds: 4 });
      expect(result.faults).toEqual([]);
      expect(result.answers).toBeGreaterThan(10);
      expect(result.left).toBeGreaterThan(0);
      // More clients than places: some were told to come back.
      expect(result.refused).toBeGreaterThan(0);
      await server.service.queue.idle();
      expect(server.service.queue.depth).toBe(0);
      expect(server.service.state).toBe("ready");
    } finally {
      await server.close(1_000);
    }
  },
);
