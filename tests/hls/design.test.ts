import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, describe, expect, it } from "vitest";
import { designOf } from "../../host/estimate/design.ts";
import { bankMultipliers, designModules } from "../../host/estimate/resources.ts";
import { unitCosts } from "../../host/estimate/unit-costs.ts";
import { tileRows } from "../../quant/format/limits.ts";

/** The resource model counts the multipliers and memories that the dataflow kernel is compiled with. */
const root = new URL("../../", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "accllm-design-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(spawnSync("g++", ["--version"]).status !== 0)("the U280's design (needs g++)", () => {
  it("has the multipliers and memories that the resource model counts", async () => {
    const program = join(folder, "design");
    const includes = ["hls/include", "hls", "hls/sim"].flatMap((path) => ["-I", join(root, path)]);
    const flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-pthread"];
    const source = join(root, "tests/hls/native/design.cpp");
    await execa("g++", [...flags, ...includes, source, "-o", program]);
    const built = JSON.parse((await execa(program)).stdout) as Record<string, number>;

    const design = designOf("u280");
    const modules = new Map(designModules(design).map(({ name, resources }) => [name, resources]));
    const bank = built.bankMultipliers!;
    expect(bank).toBe(bankMultipliers);
    expect(modules.get("array, first bank (DSP)")!.dsp).toBe(built.arrays! * bank);
    expect(modules.get("array, further banks (DSP)")!.dsp).toBe(built.dspSecondBanks! * bank);
    // Zero-point and scale of every row and bank.
    const sums = ["first bank", "further banks"].map(
      (which) => modules.get(`row sums of ${which === "first bank" ? "the first bank" : which}`)!.dsp,
    );
    expect(sums[0]! + sums[1]!).toBe(design.platform.weightChannels * built.rowSums! * 2);
    expect(built.rowSums).toBe(tileRows * built.banks!);
    expect(built.banks).toBe(design.parameters.arrayBanks);
    expect(modules.get("key-mean term")!.dsp).toBe(built.meanProducts);
    expect(modules.get("row results")!.dsp).toBe(built.resultRows! * 2 * 2 * unitCosts.floatMultiply.dsp);
    expect(design.parameters.rowLanes).toBe(built.resultRows);
    expect(design.parameters.attentionLanes).toBe(built.lanes);
    // Second banks that are not made of DSPs are made of LUTs.
    const lutBanks = built.weightChannels! * (built.banks! - 1) - built.dspSecondBanks!;
    const lutBank = 4 * unitCosts.lutGroup.lut + unitCosts.bankLut;
    expect(modules.get("array, further banks (LUT)")!.lut).toBe(lutBanks * lutBank);
    expect(design.platform.weightChannels).toBe(built.weightChannels);
    expect(design.platform.kvChannels).toBe(built.kvChannels);
    // A beat is eight URAMs or BRAMs wide, 4,096 and 512 words deep.
    const { prefetchBeats, cacheBeats } = design.parameters;
    expect(prefetchBeats).toBe(built.weightFifoBeats);
    expect(modules.get("weight FIFOs")!.uram).toBe((8 * built.weightChannels! * prefetchBeats) / 4096);
    expect(cacheBeats).toBe(built.keyFifoBeats! + built.codeFifoBeats!);
    const blocks = (beats: number) => 8 * Math.ceil(beats / 512);
    const cacheBlocks =
      built.kvChannels! * blocks(built.keyFifoBeats!) + built.lanes! * blocks(built.codeFifoBeats!);
    const meanBlocks = built.lanes! * Math.ceil(built.meanFifo! / 1024);
    expect(modules.get("FIFOs of cache, codes and means")!.bram36).toBe(cacheBlocks + meanBlocks);
    expect(design.kernel.limits.slots).toBe(built.slots);
    expect(design.kernel.limits.span + 1).toBe(built.distances);
    expect(design.kernel.limits.hidden).toBe(built.hidden);
    const { columns, blockTokens } = design.kernel.limits;
    expect(built.activationBytes).toBe(2 * columns * blockTokens * 4);
  });
});
