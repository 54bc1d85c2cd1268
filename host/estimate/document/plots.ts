import { burstEfficiency } from "../../../quant/format/timing.ts";
import { designOf } from "../design.ts";
import type { KnownModel } from "../model-shapes.ts";
import { knownModel } from "../model-shapes.ts";
import { bankMultipliers } from "../resources.ts";
import { timeline } from "../timeline.ts";
import { commandStream, plannedHeader } from "../workload.ts";
import { plotSvg } from "./plot.ts";
import { documentEstimate } from "./tables.ts";

const shown: readonly KnownModel[] = [
  "tinyllama-1.1b",
  "qwen2.5-3b",
  "llama-2-7b",
  "llama-3-8b",
  "llama-2-13b",
];
const contexts = [1, 128, 256, 512, 768, 1024, 1536, 2046, 3072, 4096];

async function contextPlot(): Promise<string> {
  const series = await Promise.all(
    shown.map(async (model) => ({
      name: model,
      points: await Promise.all(
        contexts.map(
          async (context) =>
            [context, (await documentEstimate(model, context)).decodeTokensPerSecond] as const,
        ),
      ),
    })),
  );
  return plotSvg({
    title: "Decoding on a U280 at 225 MHz against context (model, not measured)",
    x: {
      label: "tokens of context (2 sinks and a window of 2,044)",
      ticks: [0, 512, 1024, 2048, 3072, 4096],
    },
    y: { label: "tokens/s", ticks: [50, 100, 200, 400, 800, 1600], log: true },
    series,
  });
}

/** Plane products a byte of HBM traffic, against plane products a second. */
function rooflinePlot(): string {
  const design = designOf("u280");
  const { platform, parameters, clockMHz } = design;
  const bandwidth = platform.weightChannels * platform.channelBytesPerSecond * burstEfficiency;
  const peak = platform.weightChannels * parameters.arrayBanks * 2 * bankMultipliers * clockMHz * 1e6;
  const window = { sinks: 2, window: 2044 };
  const point = (model: KnownModel, tokens: number): readonly [number, number] => {
    const header = plannedHeader(knownModel(model)!, platform, { weights: "w2s24", lmHead: "w8" }, window);
    const stream = commandStream(header, platform, window);
    const { cycles, bytes, products } = timeline(
      stream,
      { tokens, position: 512 - tokens, firstLogit: tokens - 1 },
      design,
    );
    const moved = bytes.weights + bytes.kvRead + bytes.kvWritten;
    return [products.plane / moved, (products.plane * clockMHz * 1e6) / cycles / 1e9];
  };
  const ticks = [1, 2, 4, 8, 16, 32, 64];
  return plotSvg({
    title: "Roofline of the matrix array (model, not measured)",
    x: { label: "int8 x 2-bit products a byte of HBM traffic", ticks, log: true },
    y: { label: "10^9 products/s", ticks: [250, 500, 1000, 2000, 4000], log: true },
    series: [
      {
        name: "roof",
        points: [1, peak / bandwidth, 64].map((x) => [x, Math.min(bandwidth * x, peak) / 1e9]),
      },
      { name: "decoding, 1 token", points: shown.map((model) => point(model, 1)), marks: true },
      { name: "prefill, 4 tokens", points: shown.map((model) => point(model, 4)), marks: true },
      { name: "prefill, 16 tokens", points: shown.map((model) => point(model, 16)), marks: true },
    ],
  });
}

/** The plots of docs/img by file name. */
export async function documentPlots(): Promise<Record<string, string>> {
  return { "decode-context.svg": await contextPlot(), "roofline.svg": rooflinePlot() };
}
