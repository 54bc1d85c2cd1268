import { open, readFile, stat } from "node:fs/promises";
import { openImage } from "../../quant/format/image.ts";
import { imageMagic } from "../../quant/format/image-header.ts";
import { openCheckpoint } from "../../quant/io/checkpoint.ts";
import { parseXclbin, xclbinLimits } from "../device/xclbin/index.ts";
import { InputError } from "../errors.ts";
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
  if (path.endsWith(".bin")) return inspectCheckpoint(path);
  throw new InputError("FILE_UNKNOWN", `${path} is no checkpoint, model image or xclbin.`, {
    hint: "Give a folder with config.json and safetensors, a llama2.c .bin, an .accllm or an .xclbin file.",
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
    return {
      kind: "image",
      json: { kind: "image", path, bytes: size, header },
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

async function inspectXclbin(path: string, size: number): Promise<Inspection> {
  if (size > xclbinLimits.fileBytes) {
    throw new InputError(
      "XCLBIN_INVALID",
      `${path} has ${size} bytes; an xclbin has at most ${xclbinLimits.fileBytes}.`,
    );
  }
  const { uuid, platform, mode, memories, clocks, kernels, ips, keyValues } = parseXclbin(
    await readFile(path),
  );
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
        rows: banks.map(({ tag, bytes, base }) => [tag, formatBytes(Number(bytes)), hex(base)]),
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
