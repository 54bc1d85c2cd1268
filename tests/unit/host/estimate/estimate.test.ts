import { describe, expect, it } from "vitest";
import { resourceNames, usableShare } from "../../../../host/estimate/card.ts";
import { designOf } from "../../../../host/estimate/design.ts";
import { knownModels } from "../../../../host/estimate/model-shapes.ts";
import { type EstimateRequest, estimateReport } from "../../../../host/estimate/report.ts";
import { timingParameters } from "../../../../quant/format/timing.ts";

const request = (changes: Partial<EstimateRequest>): EstimateRequest => ({
  source: "llama-2-7b",
  platform: "u280",
  context: 512,
  weights: "w2s24",
  lmHead: "w8",
  sinks: 2,
  window: 2044,
  ...changes,
});

describe("estimate", () => {
  it("counts the bytes of a token as a hand does", async () => {
    const { traffic, bytesPerToken } = await estimateReport(request({ lmHead: "w2s24" }));
    // 6.476e9 weights of the layers and 131e6 of the head at 2 bits, a beat of exponents in 16 tiles.
    const weights = 32 * (4 * 4096 ** 2 + 3 * 4096 * 11_008) + 32_000 * 4096;
    expect(traffic.weights).toBeGreaterThan(weights / 4);
    expect(traffic.weights).toBeLessThan((weights / 4) * 1.002);
    // 512 keys and values in 32 blocks of 17 beats, 32 heads, 32 layers.
    expect(traffic.kvRead).toBe(2 * 32 * 17 * 64 * 32 * 32);
    expect(bytesPerToken).toBe(traffic.weights + traffic.kvRead + traffic.kvWritten);
  });

  it("never beats its channels: tokens/s times bytes stays below 92 % of 32 channels", async () => {
    for (const source of knownModels) {
      for (const context of [1, 512, 4096]) {
        const e = await estimateReport(request({ source, context }));
        expect(e.decodeTokensPerSecond * e.bytesPerToken).toBeLessThan(0.92 * 32 * 14.375e9);
        expect(e.busy.hbm).toBeLessThanOrEqual(1);
        const cycles = Object.values(e.cycles).reduce((sum, c) => sum + c, 0);
        expect(225e6 / cycles).toBeCloseTo(e.decodeTokensPerSecond, 6);
      }
    }
  });

  it("takes the design that the emulator counts for", () => {
    expect(designOf("u280").parameters).toEqual(timingParameters);
  });

  it("reaches what the design is for, on Llama-2-7B and Llama-3-8B with the quantizer's formats", async () => {
    const short = await estimateReport(request({}));
    const full = await estimateReport(request({ context: 50_000 }));
    expect(short.decodeTokensPerSecond).toBeGreaterThanOrEqual(200);
    expect(full.decodeTokensPerSecond).toBeGreaterThanOrEqual(180);
    expect(short.tokensPerJoule).toBeGreaterThanOrEqual(6);
    expect(short.fits).toBe(true);
    for (const name of resourceNames)
      expect(short.resourceShare[name], name).toBeLessThanOrEqual(usableShare[name]);
    const llama3 = await estimateReport(request({ source: "llama-3-8b" }));
    expect(llama3.decodeTokensPerSecond).toBeGreaterThanOrEqual(165);
  });

  it("costs no more once sinks and ring are full", async () => {
    const [full, far] = await Promise.all(
      [2061, 50_000].map((context) => estimateReport(request({ context }))),
    );
    expect(far!.decodeTokensPerSecond).toBe(full!.decodeTokensPerSecond);
    expect(far!.prefillTokensPerSecond).toBeLessThan(full!.prefillTokensPerSecond);
  });

  it("sweeps channels, array and clock, and says what does not fit", async () => {
    const channels = (await estimateReport(request({ sweep: "channels" }))).sweep!;
    const rates = channels.map((e) => e.decodeTokensPerSecond);
    expect(rates).toEqual(rates.toSorted((a, b) => a - b));
    expect(channels.at(-1)!.weightChannels).toBe(32);
    const arrays = (await estimateReport(request({ sweep: "array" }))).sweep!;
    expect(arrays.at(-1)).toMatchObject({ arrayBanks: 8, fits: false });
    expect(arrays.at(-1)!.remarks.join()).toMatch(/of the card's lut/);
    const clocks = (await estimateReport(request({ sweep: "clock" }))).sweep!;
    // Past the clock at which a 512-bit port keeps up with its channel, HBM binds more and more.
    expect(clocks.at(-1)!.decodeTokensPerSecond / clocks[3]!.decodeTokensPerSecond).toBeLessThan(1.12);
    expect(clocks[3]!.decodeTokensPerSecond / clocks[0]!.decodeTokensPerSecond).toBeGreaterThan(1.2);
  });

  it("refuses what it does not know", async () => {
    await expect(estimateReport(request({ source: "no such model" }))).rejects.toMatchObject({
      code: "MODEL_UNKNOWN",
    });
    await expect(estimateReport(request({ platform: "u50" }))).rejects.toMatchObject({
      code: "UNKNOWN_PLATFORM",
    });
    await expect(estimateReport(request({ context: 0 }))).rejects.toMatchObject({ code: "BAD_CONTEXT" });
  });

  it("says where the card's kernel does not take a model", async () => {
    const e = await estimateReport(request({ source: "llama-2-7b", window: 4000 }));
    expect(e.fits).toBe(false);
    expect(e.remarks.join()).toMatch(/2 sinks and a window of 4000; the kernel takes at most 2049/);
  });

  it("says where a model is too large for the memory", async () => {
    const e = await estimateReport(request({ source: "llama-2-13b", weights: "w8" }));
    expect(e.fits).toBe(false);
    expect(e.remarks.join()).toMatch(/HBM\[0\]/);
  });
});
