import { type Command, Option } from "commander";
import { z } from "zod";
import { limits } from "../../../quant/format/limits.ts";
import { WEIGHT_FORMATS, type WeightFormatName } from "../../config/quantization.ts";
import { resourceNames } from "../../estimate/card.ts";
import type { Estimate } from "../../estimate/estimate.ts";
import { knownModels } from "../../estimate/model-shapes.ts";
import { type EstimateReport, type SweepName, sweepNames } from "../../estimate/report.ts";
import { type CliContext, write, writeJson } from "../context.ts";
import { addExamples, numberOption } from "../option.ts";
import type { RunVerb } from "../program.ts";
import { type Alignment, renderPairs, renderTable } from "../render/table.ts";
import { formatBytes, formatCount, formatRate } from "../render/units.ts";

interface CommandOptions {
  platform: string;
  context: number;
  weights: WeightFormatName;
  lmHead: WeightFormatName;
  sinks?: number;
  window?: number;
  clock?: number;
  sweep?: SweepName;
}

const longestContext = 1_000_000;

export function addEstimate(program: Command, run: RunVerb): void {
  const count = (least: number, most: number) => z.number().int().min(least).max(most);
  const command = program
    .command("estimate")
    .description(
      "Model what the accelerator would do: speed, resources, power. Nothing of it was measured on a card; docs/timing.md has the formulas and their assumptions.",
    )
    .argument("<model>", `image, config.json, folder with one, or ${knownModels.join(", ")}`)
    .addOption(new Option("--platform <name>", "card").choices(["u280", "u55c"]).default("u280"))
    .addOption(
      numberOption(
        "--context <n>",
        "tokens in the cache when a token is decoded, and length of the prompt for prefill",
        count(1, longestContext),
      ).default(512),
    )
    .addOption(
      new Option("--weights <format>", "format of the layers' matrices (an image has its own)")
        .choices([...WEIGHT_FORMATS])
        .default("w2s24"),
    )
    .addOption(
      new Option("--lm-head <format>", "format of the output matrix (an image has its own)")
        .choices([...WEIGHT_FORMATS])
        .default("w8"),
    )
    .addOption(
      numberOption(
        "--sinks <n>",
        "first tokens always attended to (default: the image's, or 4)",
        count(0, limits.span),
      ),
    )
    .addOption(
      numberOption(
        "--window <n>",
        "latest tokens attended to (default: the image's, or 2044)",
        count(1, limits.span),
      ),
    )
    .addOption(numberOption("--clock <MHz>", "kernel clock (default: the platform's)", count(50, 500)))
    .addOption(
      new Option("--sweep <what>", "also vary the channels, the array's size or the clock").choices([
        ...sweepNames,
      ]),
    )
    .action((source: string, options: CommandOptions) =>
      run(async (context) => {
        const { clock, ...rest } = options;
        const report = await context.services.estimate({ source, clockMHz: clock, ...rest });
        if (context.json) await writeJson(context, report);
        else await write(context.stdout, render(context, report));
        return 0;
      }),
    );
  addExamples(command, [
    ["estimate llama-2-7b --context 2048", "decoding with the window full"],
    ["estimate llama-2-7b --sweep channels --json", "a sweep, for scripts"],
  ]);
}

function render({ out }: CliContext, report: EstimateReport): string {
  const { resources, resourceShare, power, sweep } = report;
  const summary = renderPairs([
    [
      "decode",
      `${formatRate(report.decodeTokensPerSecond)} tokens/s at context ${formatCount(report.context)}`,
    ],
    ["prefill", `${formatRate(report.prefillTokensPerSecond)} tokens/s`],
    [
      "read and written",
      `${formatBytes(report.bytesPerToken)} a token, ${report.bitsPerWeight.toFixed(2)} bits a weight`,
    ],
    ["bound by", report.bound],
    [
      "power",
      `${report.watts.toFixed(1)} W (static ${power.static.toFixed(1)}, HBM ${power.hbm.toFixed(1)}, fabric ${power.fabric.toFixed(1)})`,
    ],
    ["energy", `${report.tokensPerJoule.toFixed(2)} tokens/J`],
    ["fits", report.fits ? "yes" : "no"],
    ...report.remarks.map((remark): [string, string] => ["", remark]),
  ]);
  const alignments: Alignment[] = ["left", ...resourceNames.map((): Alignment => "right")];
  const modules = renderTable(
    [
      ["", ...resourceNames],
      ...report.modules.map(({ name, resources: r }) => [name, ...resourceNames.map((n) => countCell(r[n]))]),
      ["design", ...resourceNames.map((n) => countCell(resources[n]))],
      ["with the shell", ...resourceNames.map((n) => `${(resourceShare[n] * 100).toFixed(1)} %`)],
    ],
    alignments,
  );
  const title = `${report.model} on ${report.platform} at ${report.clockMHz} MHz`;
  const parts = [
    `${out.bold(title)} ${out.dim("(model, not measured)")}`,
    summary,
    out.bold("Resources"),
    modules,
  ];
  if (sweep !== undefined) parts.push(out.bold("Sweep"), renderSweep(sweep));
  return parts.map((part) => part.replace(/\n?$/, "\n")).join("");
}

function countCell(count: number): string {
  return count === 0 ? "" : formatCount(Math.round(count));
}

function renderSweep(sweep: readonly Omit<Estimate, "modules">[]): string {
  const header = [
    "channels",
    "array",
    "MHz",
    "tokens/s",
    "prefill",
    "W",
    "tokens/J",
    "LUT",
    "DSP",
    "bound",
    "fits",
  ];
  const rows = sweep.map((e) => [
    String(e.weightChannels),
    String(e.arrayBanks),
    String(e.clockMHz),
    formatRate(e.decodeTokensPerSecond),
    formatRate(e.prefillTokensPerSecond),
    e.watts.toFixed(1),
    e.tokensPerJoule.toFixed(2),
    `${(e.resourceShare.lut * 100).toFixed(0)} %`,
    `${(e.resourceShare.dsp * 100).toFixed(0)} %`,
    e.bound,
    e.fits ? "yes" : "no",
  ]);
  return renderTable(
    [header, ...rows],
    header.map(() => "right"),
  );
}
