import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { type Descriptor, encodeDescriptors } from "../../host/engine/commands.ts";
import { DescriptorWork, type JobShape } from "../../host/estimate/descriptor-work.ts";
import { Schedule } from "../../host/estimate/schedule.ts";
import { timingParameters } from "../../quant/format/timing.ts";

/**
 * The closed form in C++ (the emulator's counters) against the one in TypeScript (`accllm estimate`) on random
 * command streams of every size that the kernel takes.
 */
const root = new URL("../../", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "accllm-schedule-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const compiler = ["g++", "clang++"].find((name) => spawnSync(name, ["--version"]).status === 0);

interface Case {
  readonly job: JobShape;
  readonly weight: number;
  readonly kv: number;
  readonly descriptors: readonly Descriptor[];
}

const size = (max: number) => fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max }));
const flags = fc.integer({ min: 0, max: 15 });

const descriptor: fc.Arbitrary<Descriptor> = fc.oneof(
  ...(["matmul", "logits"] as const).map((operation) =>
    fc
      .record({
        rows: size(32_768),
        columns: size(32_768),
        format: fc.integer({ min: 0, max: 3 }),
        // q, k, u, y
        destination: fc.constantFrom(2, 3, 6, 7),
        flags,
      })
      .map(
        ({ flags, destination, ...shape }): Descriptor =>
          operation === "matmul"
            ? {
                operation,
                flags,
                fields: { ...shape, destination, weightOffset: 0, beats: 0, biasOffset: 0 },
              }
            : { operation, flags, fields: { ...shape, weightOffset: 0, ioOffset: 0, beats: 0, rowBeats: 1 } },
      ),
  ),
  fc
    .tuple(fc.constantFrom("siluMul", "add"), size(32_768), flags)
    .map(
      ([operation, length, flags]): Descriptor => ({ operation, flags, fields: { length } }) as Descriptor,
    ),
  fc.tuple(size(8192), flags).map(
    ([length, flags]): Descriptor => ({
      operation: "norm",
      flags,
      fields: { gainOffset: 0, length, epsilonBits: 0 },
    }),
  ),
  fc.tuple(size(8192), flags).map(
    ([hidden, flags]): Descriptor => ({
      operation: "embed",
      flags,
      fields: { tableOffset: 0, rowBeats: 1, hidden, vocabulary: 9 },
    }),
  ),
  fc
    .record({
      kvHeads: fc.integer({ min: 1, max: 40 }),
      group: fc.integer({ min: 1, max: 8 }),
      headDim: fc.integer({ min: 1, max: 128 }).map((half) => 2 * half),
      sinks: fc.integer({ min: 0, max: 8 }),
      window: size(4000),
      flags,
      attend: fc.boolean(),
    })
    .map(({ kvHeads, group, headDim, sinks, window, flags, attend }): Descriptor => {
      const cache = { kvOffset: 0, kvHeads, headDim, sinks, window, ring: window + 15, meanOffset: 0 };
      if (!attend) return { operation: "ropeKv", flags, fields: cache };
      const rest = { scoreScaleBits: 0, meanScaleBits: 0, distanceOffset: 0, distanceBeats: 0 };
      return { operation: "attend", flags, fields: { ...cache, heads: kvHeads * group, ...rest } };
    }),
);

const randomCase: fc.Arbitrary<Case> = fc
  .record({
    tokens: fc.integer({ min: 1, max: 16 }),
    position: size(100_000),
    weight: fc.integer({ min: 1, max: 32 }),
    kv: fc.integer({ min: 1, max: 32 }),
    descriptors: fc.array(descriptor, { minLength: 1, maxLength: 30 }),
    first: fc.integer({ min: 0, max: 16 }),
  })
  .map(({ tokens, position, first, ...rest }) => ({
    job: { tokens, position, firstLogit: Math.min(first, tokens) },
    ...rest,
  }));

describe.skipIf(compiler === undefined)(
  "the closed form in C++ and TypeScript (needs a C++ compiler)",
  () => {
    it("gives the same cycles for every descriptor of random command streams", async () => {
      const program = join(folder, "schedule");
      const includes = ["-I", join(root, "hls/include"), "-I", join(root, "hls")];
      const warnings = ["-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas"];
      const source = join(root, "tests/hls/native/schedule.cpp");
      await execa(compiler!, ["-std=c++17", "-O1", ...warnings, ...includes, source, "-o", program]);

      const cases = fc.sample(randomCase, { numRuns: 1000, seed: 3 });
      const input = cases.flatMap(({ job, weight, kv, descriptors }) => [
        `job ${job.tokens} ${job.position} ${job.firstLogit} ${weight} ${kv}`,
        ...descriptors.map((d) => [...new Uint32Array(encodeDescriptors([d]).buffer)].join(" ")),
      ]);
      const { stdout } = await execa(program, { input: `${input.join("\n")}\n` });

      const expected = cases.flatMap(({ job, weight, kv, descriptors }) => {
        const schedule = new Schedule(timingParameters);
        const stream = new DescriptorWork(job, { weight, kv }, timingParameters);
        return descriptors.map((d) => schedule.cycles(stream.next(d)));
      });
      expect(stdout.split("\n").map(Number)).toEqual(expected);
      expect(expected.length).toBeGreaterThan(5000);
    });
  },
);
