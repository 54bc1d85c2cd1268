import { timingParameters } from "../../../quant/format/timing.ts";
import { addResources, cards, resourceNames, usableShare } from "../card.ts";
import { type DesignChange, designOf } from "../design.ts";
import { type Estimate, estimate } from "../estimate.ts";
import { type KnownModel, knownModels } from "../model-shapes.ts";
import { type PowerModel, powerModel } from "../power.ts";
import { estimatePublished, published, publishedAblation } from "../published.ts";
import { designModules } from "../resources.ts";
import { headerOf } from "../source.ts";
import { parameterNotes } from "./parameters.ts";

const platform = "u280";
const window = { sinks: 2, window: 2044 };
const full = window.sinks + window.window;

type Row = readonly (string | number)[];

function markdown(header: Row, rows: readonly Row[]): string {
  const line = (cells: Row) => `| ${cells.join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}

/** An estimate for the documents: 2:4 W2 weights, the output matrix in W8 as the quantizer does by default. */
export async function documentEstimate(
  model: KnownModel,
  context: number,
  change: DesignChange = {},
  power: PowerModel = powerModel,
  lmHead: "w8" | "w4" | "w2s24" = "w8",
): Promise<Estimate> {
  const design = designOf(platform, change);
  const header = await headerOf(model, design.platform, { weights: "w2s24", lmHead }, window);
  return estimate(header, design, context, window, power);
}

function parameters(): string {
  const rows = Object.entries(parameterNotes).map(
    ([name, [what, source]]): Row => [
      `\`${name}\``,
      timingParameters[name as keyof typeof timingParameters],
      what,
      source,
    ],
  );
  return markdown(["parameter", "value", "what", "source"], rows);
}

async function speeds(): Promise<string> {
  const rows: Row[] = [];
  for (const model of knownModels) {
    for (const context of [512, full]) {
      const e = await documentEstimate(model, context);
      rows.push([
        model,
        context,
        e.decodeTokensPerSecond.toFixed(0),
        e.prefillTokensPerSecond.toFixed(0),
        (e.bytesPerToken / 1e6).toFixed(0),
        `${(e.busy.hbm * 100).toFixed(0)} %`,
        e.bound,
        e.watts.toFixed(1),
        e.tokensPerJoule.toFixed(2),
      ]);
    }
  }
  const header = [
    "model",
    "context",
    "decode token/s",
    "prefill token/s",
    "MB a token",
    "HBM busy",
    "bound",
    "W",
    "token/J",
  ];
  return markdown(header, rows);
}

async function layouts(): Promise<string> {
  const cases: [string, DesignChange][] = [
    ["28 weights + 4 cache, separate", { channels: 28, kvChannels: 4, parameters: { sharedChannels: 0 } }],
    ["26 weights + 6 cache, separate", { channels: 26, kvChannels: 6, parameters: { sharedChannels: 0 } }],
    ["28 shared", { channels: 28 }],
    ["**32 shared**", {}],
    ["32 shared, weights in a FIFO of 512 beats", { parameters: { prefetchBeats: 512 } }],
    ["32 shared, weights in a FIFO of 256 beats", { parameters: { prefetchBeats: 256 } }],
    ["32 shared, cache in FIFOs of 128 beats", { parameters: { cacheBeats: 128 } }],
  ];
  const rows: Row[] = [];
  for (const [name, change] of cases) {
    const [short, long, other] = [
      await documentEstimate("llama-2-7b", 512, change),
      await documentEstimate("llama-2-7b", full, change),
      await documentEstimate("llama-3-8b", 512, change),
    ];
    rows.push([name, ...[short, long, other].map((e) => e.decodeTokensPerSecond.toFixed(0))]);
  }
  return markdown(["channels", "Llama-2-7B at 512", "at 2046", "Llama-3-8B at 512"], rows);
}

function resources(): string {
  const modules = designModules(designOf(platform));
  const { total, shell } = cards[platform]!;
  const cell = (count: number) => (count === 0 ? "" : Math.round(count).toLocaleString("en-US"));
  const sum = addResources([shell, ...modules.map((m) => m.resources)]);
  const rows: Row[] = [
    ...modules.map((m): Row => [m.name, ...resourceNames.map((n) => cell(m.resources[n]))]),
    ["shell", ...resourceNames.map((n) => cell(shell[n]))],
    ["**sum**", ...resourceNames.map((n) => cell(sum[n]))],
    ["of the card", ...resourceNames.map((n) => `${((sum[n] / total[n]) * 100).toFixed(1)} %`)],
    ["at most", ...resourceNames.map((n) => `${usableShare[n] * 100} %`)],
  ];
  return markdown(["module", ...resourceNames.map((n) => n.toUpperCase())], rows);
}

async function comparison(): Promise<string> {
  const theirs = estimatePublished();
  const ours = await documentEstimate("llama-2-7b", full);
  const oursAlike = await documentEstimate("llama-2-7b", full, {}, powerModel, "w2s24");
  const energy = published.tokensPerSecond / published.watts;
  const rows: Row[] = [
    [
      "token/s, window full",
      published.tokensPerSecond,
      theirs.tokensPerSecond.toFixed(0),
      ...[oursAlike, ours].map((e) => e.decodeTokensPerSecond.toFixed(0)),
    ],
    [
      "W",
      published.watts,
      `${published.watts} (calibrated)`,
      ...[oursAlike, ours].map((e) => e.watts.toFixed(1)),
    ],
    [
      "token/J",
      energy.toFixed(2),
      `${energy.toFixed(2)} (calibrated)`,
      ...[oursAlike, ours].map((e) => e.tokensPerJoule.toFixed(2)),
    ],
    [
      "GB a token",
      "-",
      (theirs.bytesPerToken / 1e9).toFixed(2),
      ...[oursAlike, ours].map((e) => (e.bytesPerToken / 1e9).toFixed(2)),
    ],
  ];
  return markdown(
    [
      "",
      "published",
      "published, by this model",
      "ours, output matrix in 2 bits as well",
      "ours, output matrix in W8",
    ],
    rows,
  );
}

function ablation(): string {
  const model = publishedAblation();
  const names = {
    pruning: "2:4 pruning",
    w2: "W8 to W2",
    kv4: "KV8 to KV4",
    packing: "DSP packing",
  } as const;
  const rows = (Object.keys(names) as (keyof typeof names)[]).map(
    (key): Row => [
      names[key],
      `${published.ablation[key].toFixed(2)}x`,
      `${model[key].toFixed(2)}x`,
      `${((model[key] / published.ablation[key] - 1) * 100).toFixed(0)} %`,
    ],
  );
  return markdown(["technique", "published", "this model", "difference"], rows);
}

async function sensitivity(): Promise<string> {
  const cases: [string, Partial<PowerModel>][] = [
    ["as assumed", {}],
    ["idle share 0.2", { idleShare: 0.2 }],
    ["idle share 0.5", { idleShare: 0.5 }],
    ["static 5 W", { staticWatts: 5 }],
    ["static 12 W", { staticWatts: 12 }],
    ["a DSP as 40 LUTs", { lutsPerDsp: 40 }],
    ["no clock is stopped", { gatedIdleShare: powerModel.idleShare }],
  ];
  const rows: Row[] = [];
  for (const [name, change] of cases) {
    const power = { ...powerModel, ...change };
    const short = await documentEstimate("llama-2-7b", 512, {}, power);
    const long = await documentEstimate("llama-2-7b", full, {}, power);
    rows.push([name, ...[short, long].flatMap((e) => [e.watts.toFixed(1), e.tokensPerJoule.toFixed(2)])]);
  }
  for (const [lmHead, name] of [
    ["w4", "W4"],
    ["w2s24", "2:4 W2"],
  ] as const) {
    const [short, long] = [
      await documentEstimate("llama-2-7b", 512, {}, powerModel, lmHead),
      await documentEstimate("llama-2-7b", full, {}, powerModel, lmHead),
    ];
    rows.push([
      `as assumed, output matrix in ${name}`,
      ...[short, long].flatMap((e) => [e.watts.toFixed(1), e.tokensPerJoule.toFixed(2)]),
    ]);
  }
  return markdown(["assumption", "W at 512", "token/J", "W at 2046", "token/J"], rows);
}

/** The tables of docs/timing.md by the name of their place. */
export async function documentTables(): Promise<Record<string, string>> {
  return {
    parameters: parameters(),
    layouts: await layouts(),
    speeds: await speeds(),
    resources: resources(),
    comparison: await comparison(),
    ablation: ablation(),
    sensitivity: await sensitivity(),
  };
}

/** A document with its tables put in their places: what is between `<!-- NAME -->` and `<!-- end -->`. */
export function withTables(document: string, tables: Readonly<Record<string, string>>): string {
  return document.replace(/<!-- (\w+) -->\n[\s\S]*?<!-- end -->/g, (place, name: string) => {
    const table = tables[name];
    if (table === undefined) throw new Error(`there is no table for ${place.split("\n")[0]}`);
    return `<!-- ${name} -->\n${table}\n<!-- end -->`;
  });
}
