import type { Operation } from "../../quant/format/command.ts";
import type { ImageHeader } from "../../quant/format/image-header.ts";
import { beatBytes } from "../../quant/format/limits.ts";
import { platforms } from "../../quant/format/platform.ts";
import { planMemory } from "../engine/plan.ts";
import { AccllmError } from "../errors.ts";
import { addResources, cards, type Resources, resourceNames, usableShare } from "./card.ts";
import { type Design, designOf } from "./design.ts";
import { type PowerModel, powerModel, powerOf, type Watts } from "./power.ts";
import { designModules, type Module } from "./resources.ts";
import { type BusyCycles, prefillCycles, timeline } from "./timeline.ts";
import { commandStream, relaidHeader, type Window } from "./workload.ts";

/** What the model says of one design, one model and one context; nothing of it was measured on a card. */
export interface Estimate {
  readonly evidence: "model";
  readonly platform: string;
  readonly weightChannels: number;
  readonly kvChannels: number;
  readonly arrayBanks: number;
  readonly clockMHz: number;
  readonly context: number;
  readonly decodeTokensPerSecond: number;
  /** Of a prompt as long as the context, into an empty cache. */
  readonly prefillTokensPerSecond: number;
  /** HBM traffic of one decoded token. */
  readonly bytesPerToken: number;
  readonly traffic: { readonly weights: number; readonly kvRead: number; readonly kvWritten: number };
  readonly bitsPerWeight: number;
  /** Whichever of HBM and the engines, which work one after the other, has less time to spare in decoding. */
  readonly bound: "memory" | "compute";
  /** Share of a decoded token's time in which each unit is at work. */
  readonly busy: BusyCycles;
  /** By how much each operation moves the end of a decoded token's schedule. */
  readonly cycles: Readonly<Partial<Record<Operation, number>>>;
  readonly watts: number;
  readonly power: Watts;
  readonly tokensPerJoule: number;
  /** Of the design without the shell. */
  readonly resources: Resources;
  /** Design and shell against the whole card. */
  readonly resourceShare: Resources;
  readonly modules: readonly Module[];
  /** Whether the card has the resources beside its shell and the memory. */
  readonly fits: boolean;
  /** What does not fit, or fits only beyond the share at which designs usually close timing. */
  readonly remarks: readonly string[];
}

/** Bytes that an embedding row and the logits take in DDR are left out: they are no HBM traffic. */
export function estimate(
  header: ImageHeader,
  design: Design,
  context: number,
  window: Window,
  model: PowerModel = powerModel,
): Estimate {
  const { platform, clockMHz, parameters } = design;
  const laidOut = relaidHeader(header, platform);
  const descriptors = commandStream(laidOut, platform, window);
  const token = timeline(descriptors, { tokens: 1, position: context - 1, firstLogit: 0 }, design);
  const hertz = clockMHz * 1e6;
  const decodeTokensPerSecond = hertz / token.cycles;
  const bytesPerToken = token.bytes.weights + token.bytes.kvRead + token.bytes.kvWritten;

  const modules = designModules(design);
  const resources = addResources(modules.map((module) => module.resources));
  const memories = addResources(designModules(designOf("u280")).map((module) => module.resources));
  const power = powerOf(modules, token, decodeTokensPerSecond * bytesPerToken, clockMHz, memories, model);
  const card = cards[platform.name] ?? cards.u280!;
  const share = mapResources((name) => (resources[name] + card.shell[name]) / card.total[name]);
  const memory = memoryProblem(laidOut, design, window);
  const over = resourceNames.filter((name) => share[name] > 1);
  const { array, attention, float } = token.busy;
  return {
    evidence: "model",
    platform: platform.name,
    weightChannels: platform.weightChannels,
    kvChannels: platform.kvChannels,
    arrayBanks: parameters.arrayBanks,
    clockMHz,
    context,
    decodeTokensPerSecond,
    prefillTokensPerSecond: (hertz * context) / prefillCycles(descriptors, context, design),
    bytesPerToken,
    traffic: token.bytes,
    bitsPerWeight: laidOut.quantization.bitsPerWeight,
    bound: token.busy.hbm >= array + attention + float ? "memory" : "compute",
    busy: sharesOf(token.busy, token.cycles),
    cycles: token.byOperation,
    watts: power.total,
    power,
    tokensPerJoule: decodeTokensPerSecond / power.total,
    resources,
    resourceShare: share,
    modules,
    fits: over.length === 0 && memory === undefined,
    remarks: [
      ...over.map((name) => `needs ${percent(share[name])} of the card's ${name}`),
      ...resourceNames
        .filter((name) => share[name] <= 1 && share[name] > usableShare[name])
        .map(
          (name) =>
            `uses ${percent(share[name])} of ${name}; past ${percent(usableShare[name])} timing rarely closes`,
        ),
      ...(memory === undefined ? [] : [memory]),
    ],
  };
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function mapResources(value: (name: keyof Resources) => number): Resources {
  return {
    lut: value("lut"),
    ff: value("ff"),
    dsp: value("dsp"),
    bram36: value("bram36"),
    uram: value("uram"),
  };
}

function sharesOf(busy: BusyCycles, cycles: number): BusyCycles {
  const shares = Object.entries(busy).map(([unit, count]) => [unit, count / cycles]);
  return Object.fromEntries(shares) as BusyCycles;
}

/** What of the model the kernel or the memory does not take, in the planner's words; undefined where all fits. */
function memoryProblem(
  header: ImageHeader,
  { platform, kernel }: Design,
  window: Window,
): string | undefined {
  const known = platforms[platform.name];
  const changed =
    known?.weightChannels !== platform.weightChannels || known.kvChannels !== platform.kvChannels;
  if (changed) {
    // A swept channel count has no port list; weights are all that differs from the known platform.
    const bytes = header.tensors.reduce((sum, { beats }) => sum + beats, 0) * beatBytes;
    const bank = platform.banks[0]?.bytes ?? 0;
    return bytes > bank ? `${bytes} bytes of weights in each channel of ${bank}` : undefined;
  }
  try {
    planMemory(header, platform, { ...window, kernelLimits: kernel.limits });
    return undefined;
  } catch (error) {
    if (error instanceof AccllmError) return error.message;
    throw error;
  }
}
