import { open, readFile, stat } from "node:fs/promises";
import { openImage } from "../../quant/format/image.ts";
import { type ImageHeader, imageMagic } from "../../quant/format/image-header.ts";
import { platforms } from "../../quant/format/platform.ts";
import { openCheckpoint } from "../../quant/io/checkpoint.ts";
import { parseXclbin, type Xclbin, xclbinLimits } from "../device/xclbin/index.ts";
import { type BankUse, bankMap } from "../engine/bank-map.ts";
import { planMemory } from "../engine/plan.ts";
import { AccllmError, InputError } from "../errors.ts";
import { formatBytes, formatCount } from "./render/units.ts";
import type { Inspection } from "./services.ts";

const XCLBIN_MAGIC = new TextEncoder().encode("xclbin2\0");

/**
 * Reads what is in a checkpoint, a model image or an xclbin; the kind is told by the first bytes.
 * @throws InputError for a file that is none of them, or damaged
 */
export async function inspectFile(path: string): Promise<Inspection> {
  const kind = await stat(path);
  if (kind.isDirectory()) return inspectCheckpoint(path);
  const start = await firstBytes(path, 8);
  if (Buffer.compare(start, imageMagic) === 0) return inspectImage(path);
  if (Buffer.compare(start, XCLBIN_MAGIC) === 0) return inspectXclbin(path, kind.size);
  if (/\.(bin|gguf)$/i.test(path)) return inspectCheckpoint(path);
  throw new InputError("FILE_UNKNOWN", `${path} is no checkpoint, model image or xclbin.`, {
    hint: "Give a folder with config.json and safetensors, a .gguf, a llama2.c .bin, an .accllm or an .xclbin file.",
  });
}

async function firstBytes(path: string, count: number): Promise<Uint8Array> {
  const file = await open(path);
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(count), 0, count, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

async function inspectCheckpoint(path: string): Promise<Inspection> {
  const checkpoint = await openCheckpoint(path);
  try {
    const { format, config, tied, tokenizerFiles } = checkpoint;
    const tensors = [...checkpoint.tensors.values()];
    const parameters = tensors.reduce((sum, { rows, cols }) => sum + rows * cols, 0);
    const doubled = tied ? config.vocabSize * config.hiddenSize : 0;
    const tokenizer = tokenizerFiles !== null;
    return {
      kind: "checkpoint",
      json: {
        kind: "checkpoint",
        path,
        format,
        parameters: parameters - doubled,
        tied,
        tokenizer,
        config,
        tensors,
      },
      sections: [
        {
          title: "Checkpoint",
          rows: [
            ["path", path],
            ["format", format],
            ["parameters", formatCount(parameters - doubled)],
            ["embedding", tied ? "tied to lm_head" : "separate from lm_head"],
            ["tokenizer", tokenizer ? "present" : "absent"],
          ],
        },
        { title: "Model", rows: valuesOf(config) },
        {
          title: "Tensors",
          rows: tensors.map(({ name, rows, cols, dtype }) => [name, dtype, `${rows} x ${cols}`]),
        },
      ],
    };
  } finally {
    await checkpoint.close();
  }
}

async function inspectImage(path: string): Promise<Inspection> {
  const image = await openImage(path);
  try {
    const { header } = image;
    const { size } = await stat(path);
    const memory = plannedMemory(header);
    return {
      kind: "image",
      json: { kind: "image", path, bytes: size, header, memory },
      sections: [
        {
          title: "Image",
          rows: [
            ["path", path],
            ["size", formatBytes(size)],
            ["version", String(header.version)],
            ["kernel ABI", String(header.abi)],
            ["written by", header.generator],
          ],
        },
        { title: "Model", rows: valuesOf(header.model) },
        { title: "Platform", rows: valuesOf(header.platform) },
        memoryOnDevice(memory),
        { title: "Quantization", rows: valuesOf(header.quantization) },
        { title: "KV cache", rows: valuesOf(header.kv) },
        {
          title: "Tensors",
          rows: header.tensors.map(({ name, format, rows, columns }) => [
            name,
            format,
            `${rows} x ${columns}`,
          ]),
        },
        {
          title: "Sections",
          rows: header.sections.map(({ name, bytes, sha256 }) => [
            name,
            formatBytes(bytes),
            sha256.slice(0, 16),
          ]),
        },
      ],
    };
  } finally {
    await image.close();
  }
}

/** The bank map of an image on its platform, or why it does not fit there. */
function plannedMemory(header: ImageHeader): readonly BankUse[] | { readonly problem: string } {
  const { name } = header.platform;
  const platform = Object.hasOwn(platforms, name) ? platforms[name] : undefined;
  if (platform === undefined) return { problem: `The platform "${name}" is unknown here.` };
  try {
    return bankMap(planMemory(header, platform));
  } catch (error) {
    if (error instanceof AccllmError) return { problem: error.message };
    throw error;
  }
}

function memoryOnDevice(memory: ReturnType<typeof plannedMemory>): Inspection["sections"][number] {
  const title = "Memory on the device";
  if ("problem" in memory) return { title, rows: [["does not fit", memory.problem]] };
  return {
    title,
    rows: memory.map(({ bank, bytes, used, buffers }) => [
      bank,
      `${formatBytes(used)} of ${formatBytes(bytes)}`,
      buffers.map((buffer) => `${buffer.argument} ${formatBytes(buffer.bytes)}`).join(", "),
    ]),
  };
}

/** "w0, kv0" for a bank: the arguments that a connection leads there. */
function argumentsByBank({ groupConnections, kernels, groups }: Xclbin): ReadonlyMap<string, string> {
  const names = new Map<string, string[]>();
  for (const { argument, memory } of groupConnections) {
    const tag = groups[memory]!.tag;
    const name = kernels[0]?.arguments[argument]?.name ?? `argument ${argument}`;
    names.set(tag, [...(names.get(tag) ?? []), name]);
  }
  return new Map([...names].map(([tag, list]) => [tag, list.join(", ")]));
}

async function inspectXclbin(path: string, size: number): Promise<Inspection> {
  if (size > xclbinLimits.fileBytes) {
    throw new InputError(
      "XCLBIN_INVALID",
      `${path} has ${size} bytes; an xclbin has at most ${xclbinLimits.fileBytes}.`,
    );
  }
  const xclbin = parseXclbin(await readFile(path));
  const { uuid, platform, mode, memories, clocks, kernels, ips, keyValues, build } = xclbin;
  const connected = argumentsByBank(xclbin);
  const banks = memories.filter(({ used }) => used);
  return {
    kind: "xclbin",
    json: {
      kind: "xclbin",
      path,
      uuid,
      platform,
      mode,
      clocks,
      kernels,
      computeUnits: ips.map(({ name }) => name),
      memories: memories.map((memory) => ({
        ...memory,
        bytes: Number(memory.bytes),
        base: hex(memory.base),
      })),
      keyValues,
      connections: Object.fromEntries(connected),
      ...(build === undefined ? {} : { build }),
    },
    sections: [
      {
        title: "xclbin",
        rows: [
          ["path", path],
          ["size", formatBytes(size)],
          ["uuid", uuid],
          ["platform", platform],
          ["mode", mode],
          ...clocks.map(({ name, frequencyMHz }) => [`clock ${name}`, `${frequencyMHz} MHz`]),
        ],
      },
      ...kernels.map((kernel) => ({
        title: `Kernel ${kernel.name}`,
        rows: kernel.arguments.map(({ name, type, port, kind }) => [name, type, port, kind]),
      })),
      {
        title: "Memory",
        rows: banks.map(({ tag, bytes, base }) => [
          tag,
          formatBytes(Number(bytes)),
          hex(base),
          connected.get(tag) ?? "no argument",
        ]),
      },
    ],
  };
}

function hex(address: bigint): string {
  return `0x${address.toString(16)}`;
}

/** An object's fields as rows; what is not a plain value is shown as JSON. */
function valuesOf(fields: Readonly<Record<string, unknown>>): string[][] {
  return Object.entries(fields).map(([name, value]) => [
    name,
    value === null || typeof value === "object" ? JSON.stringify(value) : String(value),
  ]);
}
