import { basename } from "node:path";
import { InputError } from "../../host/errors.ts";
import { EMBEDDING } from "../format/inventory.ts";
import { BlockTensor } from "./block-tensor.ts";
import type { ModelConfig } from "./config.ts";
import { type OpenFile, openFile } from "./file-range.ts";
import { BLOCK_FORMATS } from "./gguf-blocks.ts";
import { canonicalName, modelConfigFromGguf, ROPE_FACTORS } from "./gguf-config.ts";
import { type GgufTensorInfo, readGgufHeader } from "./gguf-header.ts";
import { PlainTensor, WEIGHT_DTYPES, type WeightDtype } from "./plain-tensor.ts";
import { inRotateHalfOrder } from "./rotate-half.ts";
import type { OpenedWeights, StoredTensor } from "./stored-tensor.ts";
import { checkTensors, type FoundTensor } from "./tensor-check.ts";

/** Formats without blocks, by ggml's number. */
const PLAIN_FORMATS: ReadonlyMap<number, WeightDtype> = new Map([
  [0, "F32"],
  [1, "F16"],
  [30, "BF16"],
]);

/** Largest number of RoPE factors that is read. */
const MAX_ROPE_FACTORS = 512;

/**
 * Opens a GGUF file: its configuration, and its tensors under canonical names. What llama.cpp reorders is put back.
 * @throws InputError where the file is damaged or one of several, the architecture is unknown, or a tensor is missing,
 *   of another shape or in a format that is not read.
 */
export async function openGguf(path: string): Promise<OpenedWeights> {
  const { metadata, tensors } = await readGgufHeader(path);
  if (Number(metadata["split.count"] ?? 1) > 1) {
    throw new InputError("GGUF_SPLIT", `${path} is one of ${metadata["split.count"]} files of a model.`, {
      hint: "Put them together first: llama-gguf-split --merge FIRST OUTPUT.",
    });
  }
  const file = await openFile(path);
  try {
    const factors = tensors.find(({ name }) => name === ROPE_FACTORS);
    const weights = tensors.filter((tensor) => tensor !== factors);
    const names = new Set(weights.map(({ name }) => canonicalName(name)));
    const embedding = weights.find(({ name }) => canonicalName(name) === EMBEDDING);
    if (embedding === undefined) {
      throw new InputError("TENSOR_MISSING", `${path} has no tensor "token_embd.weight": it holds no model.`);
    }
    const vocabSize = embedding.shape[0] ?? 0;
    const ropeFactors = factors === undefined ? undefined : await readFactors(factors, file);
    const config = modelConfigFromGguf(metadata, { names, vocabSize, ropeFactors }, path);
    const reordered = metadata["general.architecture"] === "llama";
    const found = new Map(
      weights.map((tensor) => [canonicalName(tensor.name), foundTensor(tensor, file, config, reordered)]),
    );
    const stored = checkTensors(config, found, basename(path));
    return { config, stored, close: () => file.handle.close() };
  } catch (error) {
    await file.handle.close();
    throw error;
  }
}

async function readFactors(info: GgufTensorInfo, file: OpenFile): Promise<Float32Array> {
  const count = info.shape.reduce((a, b) => a * b, 1);
  const tensor = openTensor(info, ROPE_FACTORS, 1, Math.min(count, MAX_ROPE_FACTORS), file);
  const values = new Float32Array(tensor.cols);
  await tensor.read(0, 1, values);
  return values;
}

function foundTensor(
  info: GgufTensorInfo,
  file: OpenFile,
  { headDim }: ModelConfig,
  reordered: boolean,
): FoundTensor {
  return {
    shape: info.shape,
    path: file.path,
    open(name, rows, cols) {
      const tensor = openTensor(info, name, rows, cols, file);
      // llama.cpp rotates neighbouring elements in the models that it calls llama, and halves in others.
      return reordered && /\.self_attn\.[qk]_proj\./.test(name) ? inRotateHalfOrder(tensor, headDim) : tensor;
    },
  };
}

function openTensor(
  { name: stored, type, offset }: GgufTensorInfo,
  name: string,
  rows: number,
  cols: number,
  file: OpenFile,
): StoredTensor {
  const plain = PLAIN_FORMATS.get(type);
  const block = BLOCK_FORMATS.get(type);
  if (plain === undefined && block === undefined) {
    const known = [...PLAIN_FORMATS.values(), ...[...BLOCK_FORMATS.values()].map((format) => format.name)];
    throw new InputError("TENSOR_DTYPE", `${file.path}: tensor "${stored}" is in ggml's format ${type}.`, {
      hint: `Formats that can be read: ${known.join(", ")}.`,
    });
  }
  if (block !== undefined && cols % block.weights !== 0) {
    throw new InputError(
      "TENSOR_SHAPE",
      `${file.path}: tensor "${stored}" has rows of ${cols} in ${block.name}, whose blocks hold ${block.weights}.`,
    );
  }
  const bytes = block ? (rows * cols * block.bytes) / block.weights : rows * cols * WEIGHT_DTYPES[plain!];
  if (!(offset + bytes <= file.bytes)) {
    throw new InputError(
      "FILE_TRUNCATED",
      `${file.path}: tensor "${stored}" ends at byte ${offset + bytes}, but the file has only ${file.bytes}.`,
    );
  }
  const place = { file, offset };
  return block
    ? new BlockTensor(name, rows, cols, block, place)
    : new PlainTensor(name, rows, cols, plain!, place);
}
