import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { benchImage, benchSessions } from "../../../../host/bench/measure.ts";
import { benchShapes } from "../../../../host/bench/shapes.ts";
import { writeSyntheticImage } from "../../../../host/bench/synthetic-image.ts";
import { emulatorLibraryPath } from "../../../../host/device/native.ts";
import { loadModel, openConfiguredDevice } from "../../../../host/engine/load.ts";
import { Session } from "../../../../host/engine/session.ts";
import { openImage } from "../../../../quant/format/image.ts";
import { platforms } from "../../../../quant/format/platform.ts";
import { weightFormats } from "../../../../quant/format/weight-layout.ts";
import { unpackRows } from "../../../../quant/format/weight-pack.ts";

const folder = mkdtempSync(join(tmpdir(), "accllm-bench-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function tiny(format: keyof typeof weightFormats, seed = 0): Promise<string> {
  const path = join(folder, `${format}-${seed}.accllm`);
  await writeSyntheticImage(path, {
    model: benchShapes.tiny,
    platform: platforms.u280!,
    format,
    sinks: 4,
    window: 60,
    seed,
  });
  return path;
}

describe("writeSyntheticImage", () => {
  it.each(["w2s24", "w2", "w4", "w8"] as const)(
    "%s: a whole image with weights of mean 0 and deviation 1 / sqrt(columns)",
    async (format) => {
      const image = await openImage(await tiny(format));
      try {
        await image.verifyHashes();
        const name = "model.layers.1.mlp.down_proj.weight";
        const { rows, columns } = image.tensor(name);
        expect([rows, columns]).toEqual([96, 160]);
        const { layout, channels } = await image.matrix(name);
        const unpacked = unpackRows(layout, channels, 0, rows);
        const { sparse } = weightFormats[format];
        let sum = 0;
        let squares = 0;
        for (let row = 0; row < rows; row++) {
          // Exponents come back as bytes.
          const exponent = (unpacked.exponents[row]! << 24) >> 24;
          for (let column = 0; column < columns; column++) {
            const group = row * unpacked.groups + (column >> 6);
            const scale = unpacked.scales[group]! * 2 ** exponent;
            const code = unpacked.codes[group * 64 + (column & 63)]!;
            const value = scale * (code - unpacked.zeroHalves[group]! / 2);
            sum += value;
            squares += value * value;
          }
        }
        const count = rows * columns;
        if (sparse) return;
        const deviation = Math.sqrt(squares / count) * Math.sqrt(columns);
        expect(deviation).toBeGreaterThan(0.65);
        expect(deviation).toBeLessThan(1.55);
        expect(Math.abs(sum / count)).toBeLessThan(0.05 * Math.sqrt(squares / count));
      } finally {
        await image.close();
      }
    },
  );

  it("gives other weights for another seed, the same for the same", async () => {
    const read = async (path: string) => {
      const image = await openImage(path);
      const { channels } = await image.matrix("lm_head.weight");
      await image.close();
      return Buffer.concat(channels).toString("base64");
    };
    const first = await read(await tiny("w2", 1));
    expect(await read(await tiny("w2", 2))).not.toBe(first);
    expect(await read(await tiny("w2", 1))).toBe(first);
  });

  describe.runIf(existsSync(emulatorLibraryPath()))("on the emulator", () => {
    it("is loaded, tokenizes its own letters and generates", async () => {
      await using model = await loadModel(await tiny("w2"));
      const ids: number[] = [];
      for await (const token of model.generate("abc", { temperature: 0, maxTokens: 4, ignoreEos: true }))
        ids.push(token.id);
      expect(ids).toHaveLength(4);
    });
  });
});

describe.runIf(existsSync(emulatorLibraryPath()))("benchImage (needs the emulator built)", () => {
  it("measures every case as often as asked, with the timing model's rates", async () => {
    const labels: string[] = [];
    const report = await benchImage(
      { path: await tiny("w2s24"), prefill: [20, 33], depths: [7, 1000], decodeTokens: 3, repetitions: 2 },
      { progress: (_done, _total, label) => labels.push(label) },
    );
    expect(report.prefills.map(({ tokens, rates }) => [tokens, rates.length])).toEqual([
      [20, 2],
      [33, 2],
    ]);
    expect(report.decodes.map(({ depth, rates }) => [depth, rates.length])).toEqual([
      [7, 2],
      [1000, 2],
    ]);
    expect(report.prefill).toBe(report.prefills[1]);
    expect(report.decode).toBe(report.decodes[0]);
    for (const { rates, tokensPerSecond, modelledTokensPerSecond } of [
      ...report.prefills,
      ...report.decodes,
    ]) {
      expect(tokensPerSecond).toBeCloseTo((rates[0]! + rates[1]!) / 2, 6);
      expect(modelledTokensPerSecond).toBeGreaterThan(0);
    }
    // The whole window is attended to at depth 1000.
    expect(report.decodes[1]!.modelledTokensPerSecond!).toBeLessThan(
      report.decodes[0]!.modelledTokensPerSecond!,
    );
    expect(labels.slice(0, 4)).toEqual(["prefill 20", "prefill 33", "decode at 7", "decode at 1000"]);
    expect(labels).toHaveLength(3 * 4 + 1);
  });

  it("measures the lengths that fit the window where none are named", async () => {
    const report = await benchImage({
      path: await tiny("w2"),
      depths: [0],
      decodeTokens: 1,
      repetitions: 1,
      engine: "golden",
    });
    expect(report.prefills.map(({ tokens }) => tokens)).toEqual([16]);
    expect(report.device).toEqual({ name: "emulator (golden)", engine: "golden" });
  });

  it("measures several devices at the same time, and sums", async () => {
    const path = await tiny("w2");
    const options = { path, prefill: [20], depths: [7], decodeTokens: 3, repetitions: 1, threads: 1 };
    const [one, three] = [await benchImage(options), await benchImage({ ...options, device: "emulator:3" })];
    expect(three.devices).toBe(3);
    expect(three.device.name).toBe("3 x emulator (fast)");
    // What the cycle counters give does not depend on how busy this machine is.
    expect(three.decode.modelledTokensPerSecond).toBeCloseTo(3 * one.decode.modelledTokensPerSecond!, 6);
    expect(three.prefill.modelledTokensPerSecond).toBeCloseTo(3 * one.prefill.modelledTokensPerSecond!, 6);
    expect(three.decode.watts).toBeUndefined();
  });

  it("has tokens per joule where every device has a sensor", async () => {
    const image = await openImage(await tiny("w2"));
    const options = { prefill: [20], depths: [7], decodeTokens: 3, repetitions: 2 };
    const open = async (watts: number | undefined) => {
      const device = await openConfiguredDevice("u280", { threads: 1 });
      Object.defineProperty(device, "power", { value: watts && { watts: async () => watts } });
      return Session.open({ device, image, ownsDevice: true });
    };
    const sessions = [await open(30), await open(12), await open(undefined)];
    try {
      const both = await benchSessions(sessions.slice(0, 2), { ...options, decodeTokens: 2000 });
      expect(both.decode.watts).toBe(42);
      expect(both.decode.tokensPerJoule).toBeCloseTo(both.decode.tokensPerSecond / 42, 9);
      const all = await benchSessions(sessions, options);
      expect(all.decode).not.toHaveProperty("watts");
      expect(all.decode).not.toHaveProperty("tokensPerJoule");
    } finally {
      for (const session of sessions) await session.close();
      await image.close();
    }
  });

  it("ends at once when interrupted", async () => {
    const stop = new AbortController();
    const running = benchImage(
      { path: await tiny("w2"), depths: [0], decodeTokens: 1_000_000, repetitions: 1 },
      { signal: stop.signal, progress: (done) => done === 1 && stop.abort() },
    );
    await expect(running).rejects.toMatchObject({ exitCode: 130 });
  });
});
