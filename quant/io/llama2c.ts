import { InputError } from "../../host/errors.ts";
import {
  EMBEDDING,
  expectedTensors,
  FINAL_NORM,
  type LayerTensor,
  LM_HEAD,
  layerTensorName,
} from "../format/inventory.ts";
import { checkModelConfig, type ModelConfig } from "./config.ts";
import { type OpenFile, openFile, readExactly } from "./file-range.ts";
import { PlainTensor } from "./plain-tensor.ts";
import { inRotateHalfOrder } from "./rotate-half.ts";
import type { OpenedWeights, StoredTensor } from "./stored-tensor.ts";

/** The legacy header: dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len as int32. */
const HEADER_INTEGERS = 7;
const HEADER_BYTES = HEADER_INTEGERS * 4;
const FLOAT_BYTES = 4;

/** First word of llama2.c's versioned exports, "ak42". */
const VERSIONED_MAGIC = 0x616b3432;

/** Constants that the format leaves out: run.c has them built in. */
const BUILT_IN = { rmsNormEps: 1e-5, ropeTheta: 10_000, bosId: 1, eosId: 2 };

/** Order of the layers' tensors after the embedding; each kind holds all layers. */
const LAYER_ORDER: readonly LayerTensor[] = [
  "inputNorm",
  "query",
  "key",
  "value",
  "output",
  "postNorm",
  "gate",
  "down",
  "up",
];

/**
 * Opens a llama2.c legacy checkpoint (github.com/karpathy/llama2.c, export.py version 0). It says nothing of the
 * end of a text; run.c stops at BOS, which delimits the training stories, so that both EOS and BOS end one.
 * @throws InputError where the header is out of range or the file's size does not follow from it.
 */
export async function openLlama2c(path: string): Promise<OpenedWeights> {
  const file = await openFile(path);
  try {
    if (file.bytes < HEADER_BYTES) {
      throw new InputError(
        "LLAMA2C_INVALID",
        `${path} has ${file.bytes} bytes, too few for a llama2.c checkpoint.`,
      );
    }
    const header = new Int32Array((await readExactly(file.handle, 0, HEADER_BYTES, path)).buffer);
    const config = configOf(header, path);
    const stored = locateTensors(config, file);
    return { config, stored, close: () => file.handle.close() };
  } catch (error) {
    await file.handle.close();
    throw error;
  }
}

function configOf(header: Int32Array, path: string): ModelConfig {
  if (header[0] === VERSIONED_MAGIC) {
    throw new InputError(
      "LLAMA2C_INVALID",
      `${path} is a versioned llama2.c export; only legacy ones are read.`,
      {
        hint: "Export it with --version 0.",
      },
    );
  }
  const [hiddenSize, intermediateSize, layers, heads, kvHeads, vocabulary, maxPositions] = header;
  return checkModelConfig(
    {
      architecture: "llama",
      attentionBias: "none",
      slidingWindow: null,
      hiddenSize,
      intermediateSize,
      layers,
      heads,
      kvHeads,
      headDim: hiddenSize! / heads!,
      vocabSize: Math.abs(vocabulary!),
      maxPositions,
      rmsNormEps: BUILT_IN.rmsNormEps,
      ropeTheta: BUILT_IN.ropeTheta,
      ropeScaling: null,
      // A negative vocabulary size announces a classifier of its own.
      tieWordEmbeddings: vocabulary! > 0,
      bosId: BUILT_IN.bosId,
      eosIds: [BUILT_IN.eosId, BUILT_IN.bosId],
    },
    `${path} (llama2.c header)`,
  );
}

function locateTensors(config: ModelConfig, file: OpenFile): Map<string, StoredTensor> {
  const shapes = expectedTensors(config);
  const places = new Map<string, number>();
  let position = HEADER_BYTES;
  const place = (name: string) => {
    places.set(name, position);
    position += shapes.get(name)!.reduce((product, extent) => product * extent, FLOAT_BYTES);
  };
  place(EMBEDDING);
  for (const tensor of LAYER_ORDER) {
    for (let layer = 0; layer < config.layers; layer++) place(layerTensorName(layer, tensor));
  }
  place(FINAL_NORM);
  // Tables of RoPE cosines and sines, which follow from the configuration.
  position += config.maxPositions * config.headDim * FLOAT_BYTES;
  if (!config.tieWordEmbeddings) place(LM_HEAD);
  if (position !== file.bytes) {
    throw new InputError(
      "LLAMA2C_INVALID",
      `${file.path} has ${file.bytes} bytes; a llama2.c checkpoint with its header has ${position}.`,
      { hint: "The file is truncated, or is not a llama2.c legacy checkpoint in float32." },
    );
  }
  const stored = new Map<string, StoredTensor>();
  for (const [name, shape] of shapes) {
    const offset = places.get(name);
    if (offset === undefined) continue;
    const [rows, cols] = shape.length === 1 ? [1, shape[0]!] : [shape[0]!, shape[1]!];
    const rotated = name.endsWith(".q_proj.weight") || name.endsWith(".k_proj.weight");
    const tensor = new PlainTensor(name, rows, cols, "F32", { file, offset });
    stored.set(name, rotated ? inRotateHalfOrder(tensor, config.headDim) : tensor);
  }
  return stored;
}
