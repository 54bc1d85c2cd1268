import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { emulationXclbin, parseXclbin } from "../../../../host/device/xclbin/index.ts";
import { bankMap } from "../../../../host/engine/bank-map.ts";
import { planMemory } from "../../../../host/engine/plan.ts";
import { AccllmError } from "../../../../host/errors.ts";
import { platforms } from "../../../../quant/format/platform.ts";
import { imageHeader, type Shape } from "./memory-image.ts";

const shapes: fc.Arbitrary<Shape> = fc
  .record({
    hidden: fc.integer({ min: 1, max: 1024 }).map((n) => 4 * n),
    inner: fc.integer({ min: 1, max: 16_000 }),
    layers: fc.integer({ min: 1, max: 48 }),
    kvHeads: fc.integer({ min: 1, max: 32 }),
    group: fc.integer({ min: 1, max: 4 }),
    headDim: fc.integer({ min: 1, max: 64 }).map((n) => 2 * n),
    vocabulary: fc.integer({ min: 1, max: 64_000 }),
  })
  .map(({ group, ...shape }) => ({ ...shape, heads: shape.kvHeads * group }));

/** Banks that an xclbin's connectivity lets each argument reach, by name. */
function reach(platform: (typeof platforms)[string]): Map<string, string[]> {
  const { kernels, groupConnections, groups } = parseXclbin(emulationXclbin(platform));
  const banks = new Map<string, string[]>();
  for (const { argument, memory } of groupConnections) {
    const name = kernels[0]!.arguments[argument]!.name;
    banks.set(name, [...(banks.get(name) ?? []), groups[memory]!.tag]);
  }
  return banks;
}

describe.each(["u280", "u55c"])("memory plans for %s", (name) => {
  const platform = platforms[name]!;
  const reachable = reach(platform);

  it("fit their banks, are reachable by the argument that reads them, and load channels evenly; or are refused", () => {
    let planned = 0;
    fc.assert(
      fc.property(shapes, fc.integer({ min: 1, max: 4096 }), (shape, window) => {
        const header = imageHeader(shape, {
          platform: { name, weightChannels: platform.weightChannels, kvChannels: platform.kvChannels },
        });
        let map: ReturnType<typeof bankMap>;
        try {
          map = bankMap(planMemory(header, platform, { sinks: 4, window }));
        } catch (error) {
          // Refusals name the bank and the numbers.
          expect(error).toBeInstanceOf(AccllmError);
          expect((error as AccllmError).message).toMatch(/\d/);
          return;
        }
        planned++;
        for (const { bank, bytes, used, buffers } of map) {
          expect(used).toBeLessThanOrEqual(bytes);
          expect(buffers.reduce((sum, buffer) => sum + buffer.bytes, 0)).toBeLessThanOrEqual(used);
          for (const { argument, bytes: size } of buffers) {
            expect(reachable.get(argument)).toContain(bank);
            expect(size % 64).toBe(0);
          }
        }
        // Every memory argument is somewhere, once.
        expect(map.flatMap(({ buffers }) => buffers.map(({ argument }) => argument)).sort()).toEqual(
          [...reachable.keys()].sort(),
        );
        for (const prefix of [/^w\d+$/, /^kv\d+$/]) {
          const loads = map.flatMap(({ buffers }) =>
            buffers.filter(({ argument }) => prefix.test(argument)).map((buffer) => buffer.bytes),
          );
          expect(Math.max(...loads)).toBeLessThanOrEqual(Math.min(...loads) * 1.01);
        }
      }),
      { numRuns: 60 },
    );
    expect(planned).toBeGreaterThan(5);
  });
});

describe("bankMap", () => {
  it("counts whole pages, bank by bank", () => {
    const platform = platforms.tiny!;
    const buffers = [
      { argument: "w0", bytes: 4097, bank: 0 },
      { argument: "kv0", bytes: 64, bank: 0 },
      { argument: "io", bytes: 4096, bank: 5 },
    ];
    expect(bankMap({ platform, buffers })).toEqual([
      {
        bank: "HBM[0]",
        bytes: 268_435_456,
        used: 12_288,
        buffers: [
          { argument: "w0", bytes: 4097 },
          { argument: "kv0", bytes: 64 },
        ],
      },
      { bank: "DDR[1]", bytes: 17_179_869_184, used: 4096, buffers: [{ argument: "io", bytes: 4096 }] },
    ]);
  });
});
