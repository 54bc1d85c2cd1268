import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planMemory } from "../../../../host/engine/plan.ts";
import { limits } from "../../../../quant/format/limits.ts";
import { platforms } from "../../../../quant/format/platform.ts";
import { imageHeader, type Shape, smallShape } from "./memory-image.ts";

const tiny = platforms.tiny!;

const shapes: fc.Arbitrary<Shape> = fc
  .record({
    hidden: fc.integer({ min: 1, max: 80 }).map((n) => 4 * n),
    inner: fc.integer({ min: 1, max: 700 }),
    layers: fc.integer({ min: 1, max: 4 }),
    kvHeads: fc.integer({ min: 1, max: 5 }),
    group: fc.integer({ min: 1, max: 4 }),
    headDim: fc.integer({ min: 1, max: 40 }).map((n) => 2 * n),
    vocabulary: fc.integer({ min: 1, max: 600 }),
  })
  .map(({ group, ...shape }) => ({ ...shape, heads: shape.kvHeads * group }));

describe("planMemory", () => {
  it("overlaps nothing in io and keeps everything inside its buffer, for any shape and window", () => {
    fc.assert(
      fc.property(
        shapes,
        fc.integer({ min: 0, max: 40 }),
        fc.integer({ min: 1, max: 3000 }),
        fc.boolean(),
        fc.boolean(),
        (shape, sinks, window, trace, centered) => {
          const header = imageHeader(shape, { centered });
          const plan = planMemory(header, tiny, { sinks, window, trace });
          const { io, forward } = plan;
          const tokens = limits.blockTokens;
          const areas: [number, number][] = [
            [io.jobOffset, 1],
            [io.statusOffset, 3],
            [io.inputOffset, io.inputStride * tokens],
            [io.logitsOffset, io.logitsRowBeats * tokens],
            [io.hiddenOffset, io.hiddenRowBeats * tokens],
            [io.commandOffset, io.commandCount],
            [io.hiddenCommandOffset, io.hiddenCommandCount],
            ...forward.dumps.map((dump): [number, number] => [dump.ioOffset, dump.rowBeats * tokens]),
          ];
          areas.sort((a, b) => a[0] - b[0]);
          areas.forEach(([offset, beats], i) => {
            expect(Number.isInteger(offset) && Number.isInteger(beats)).toBe(true);
            expect(offset + beats).toBeLessThanOrEqual(areas[i + 1]?.[0] ?? io.beats);
          });
          // Rows hold their values.
          expect(io.logitsRowBeats * 64).toBeGreaterThanOrEqual(shape.vocabulary * 4);
          expect(io.hiddenRowBeats * 64).toBeGreaterThanOrEqual(shape.hidden * 4);
          expect(io.inputStride * 64).toBeGreaterThanOrEqual(64 + shape.headDim * 8);
          for (const dump of forward.dumps) {
            expect(dump.rowBeats * 16).toBeGreaterThanOrEqual(dump.length + (dump.buffer === "a" ? 1 : 0));
          }
          expect(forward.dumps.length).toBe(trace ? 13 * shape.layers + 2 : 0);

          const bytes = Object.fromEntries(plan.buffers.map((b) => [b.argument, b.bytes]));
          for (const b of plan.buffers) {
            expect(b.bytes % 64).toBe(0);
            expect(b.bytes).toBeLessThanOrEqual(tiny.banks[b.bank]!.bytes);
          }
          expect(bytes.io).toBe(io.beats * 64);
          // Every layer's cache holds 4-bit codes, scales and minima of sinks + window + 15 slots of K and V.
          const slots = sinks + window + tokens - 1;
          const leastKv = slots * shape.kvHeads * 2 * (shape.headDim / 2 + 4) * shape.layers;
          expect(bytes.kv0).toBeGreaterThanOrEqual(leastKv);
          const section = header.sections.find((s) => s.name === "table")!.bytes;
          const row = Math.ceil((shape.headDim * 2) / 64) * 64;
          expect(bytes.table).toBe(section + (centered ? (sinks + window) * row : 0));
        },
      ),
      { numRuns: 200 },
    );
  });

  it("gives every memory argument of the platform a buffer in its bank", () => {
    const u280 = platforms.u280!;
    const header = imageHeader(smallShape, {
      platform: { name: "u280", weightChannels: 32, kvChannels: 32 },
    });
    const plan = planMemory(header, u280);
    expect(plan.buffers.map((b) => [b.argument, b.bank])).toEqual(
      u280.kernelArguments.flatMap((a) => (a.kind === "memory" ? [[a.name, a.bank]] : [])),
    );
    expect(plan.sinks).toBe(2);
    expect(plan.window).toBe(30);
  });

  it("takes exactly the window that its refusal names", () => {
    const shape = { ...smallShape, layers: 250, kvHeads: 32, heads: 32, headDim: 256, hidden: 4, inner: 4 };
    const header = imageHeader(shape, { format: "w2s24", centered: false });
    const refusal = () => planMemory(header, tiny, { sinks: 4, window: 8000 });
    expect(refusal).toThrow(/WINDOW|cache/);
    let hint = "";
    try {
      refusal();
    } catch (error) {
      expect(error).toMatchObject({ code: "WINDOW_TOO_LARGE", exitCode: 2 });
      hint = (error as { hint: string }).hint;
    }
    const most = Number(/up to (\d+) tokens/.exec(hint)?.[1]);
    expect(most).toBeGreaterThan(0);
    planMemory(header, tiny, { sinks: 4, window: most });
    expect(() => planMemory(header, tiny, { sinks: 4, window: most + 1 })).toThrow();
  });

  it("refuses a model over a bank before anything is allocated, with the numbers", () => {
    const header = imageHeader({ ...smallShape, hidden: 8192, inner: 32768, layers: 30 }, { format: "w8" });
    expect(() => planMemory(header, tiny)).toThrow(
      expect.objectContaining({ code: "MODEL_TOO_LARGE", message: expect.stringMatching(/268435456/) }),
    );
  });

  it.each([
    [{ sinks: -1 }],
    [{ sinks: 1.5 }],
    [{ window: 0 }],
    [{ window: Number.NaN }],
    [{ sinks: 4, window: 8173 }],
  ])("refuses %j", (options) => {
    expect(() => planMemory(imageHeader(smallShape), tiny, options)).toThrow(
      expect.objectContaining({ code: "BAD_WINDOW", exitCode: 2 }),
    );
  });

  it("takes the widest window the kernel has", () => {
    const plan = planMemory(imageHeader(smallShape), tiny, { sinks: 4, window: 8172 });
    expect(plan.kv.blocks * 16).toBeLessThanOrEqual(limits.slots);
  });

  it("refuses an image for another platform or another interface", () => {
    const header = imageHeader(smallShape);
    expect(() => planMemory(header, platforms.u280!)).toThrow(
      expect.objectContaining({ code: "IMAGE_PLATFORM" }),
    );
    expect(() => planMemory({ ...header, abi: 99 }, tiny)).toThrow(
      expect.objectContaining({ code: "IMAGE_ABI" }),
    );
  });

  it("refuses headers whose tensors are missing, of another shape, or outside their section", () => {
    const header = imageHeader(smallShape);
    const change = (name: string, patch: object) => ({
      ...header,
      tensors: header.tensors.map((t) => (t.name === name ? { ...t, ...patch } : t)),
    });
    const code = (c: string) => expect.objectContaining({ code: c, exitCode: 3 });
    const name = "model.layers.1.mlp.down_proj.weight";
    expect(() => planMemory(change(name, { name: "other" }), tiny)).toThrow(code("MISSING_TENSOR"));
    expect(() => planMemory(change(name, { rows: 21 }), tiny)).toThrow(code("TENSOR_SHAPE"));
    expect(() => planMemory(change(name, { offset: 1e6 }), tiny)).toThrow(code("TENSOR_PLACE"));
    expect(() => planMemory(change(name, { beats: 1 }), tiny)).toThrow(code("TENSOR_PLACE"));
    const table = { ...header.table, keyMeans: [header.table.keyMeans[0]!] };
    expect(() => planMemory({ ...header, table }, tiny)).toThrow(code("MISSING_TENSOR"));
    const far = { ...header.table, gains: { ...header.table.gains, "model.norm.weight": 1e7 } };
    expect(() => planMemory({ ...header, table: far }, tiny)).toThrow(code("TENSOR_PLACE"));
    expect(() => planMemory({ ...header, sections: [] }, tiny)).toThrow(code("MISSING_SECTION"));
    const deep = { ...header, model: { ...header.model, headDim: 258 } };
    expect(() => planMemory(deep, tiny)).toThrow(code("MODEL_LIMITS"));
  });
});
