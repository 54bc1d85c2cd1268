import { InputError } from "../../host/errors.ts";
import { EMBEDDING, expectedTensors, LM_HEAD } from "../format/inventory.ts";
import type { ModelConfig } from "./config.ts";
import type { OpenFile } from "./file-range.ts";
import { isWeightDtype, PlainTensor } from "./plain-tensor.ts";
import type { SafetensorsEntry } from "./safetensors.ts";
import type { StoredTensor } from "./stored-tensor.ts";

/** A tensor of a file, before it is known whether the model needs it. */
export interface FoundTensor {
  readonly shape: readonly number[];
  /** The file, for messages. */
  readonly path: string;
  /** @throws InputError where weights cannot be stored like that. */
  open(name: string, rows: number, cols: number): StoredTensor;
}

/** A tensor of a safetensors file together with the file it lies in. */
export interface LocatedEntry {
  readonly file: OpenFile;
  readonly entry: SafetensorsEntry;
}

/** A plain tensor of a safetensors file. */
export function foundEntry({ file, entry }: LocatedEntry): FoundTensor {
  const { shape, dtype, offset } = entry;
  return {
    shape,
    path: file.path,
    open(name, rows, cols) {
      if (isWeightDtype(dtype)) return new PlainTensor(name, rows, cols, dtype, { file, offset });
      throw new InputError(
        "TENSOR_DTYPE",
        `${file.path}: tensor "${name}" has dtype ${dtype}; weights have to be F32, F16 or BF16.`,
      );
    },
  };
}

/** Buffers that old exports carry although they follow from the configuration. */
const DERIVED = /\.rotary_emb\.inv_freq$/;

/**
 * Checks that the found tensors are exactly those that the configuration needs: none missing, none of another
 * shape or a dtype that weights cannot have, none that the architecture does not know.
 * @param found by canonical name; a tied embedding may lie under either of its names.
 * @returns the needed ones by canonical name, in the order of the forward pass.
 * @throws InputError with the tensor's name, the expected and the found shape.
 */
export function checkTensors(
  config: ModelConfig,
  found: ReadonlyMap<string, FoundTensor>,
  label: string,
): Map<string, StoredTensor> {
  const expected = expectedTensors(config);
  if (config.tieWordEmbeddings) expected.delete(found.has(EMBEDDING) ? LM_HEAD : EMBEDDING);
  const stored = new Map<string, StoredTensor>();
  for (const [name, shape] of expected) {
    stored.set(name, checkOne(name, shape, found.get(name), config, label));
  }
  for (const name of found.keys()) {
    if (expected.has(name) || DERIVED.test(name)) continue;
    if (config.tieWordEmbeddings && name === LM_HEAD) continue;
    throw new InputError(
      "TENSOR_UNKNOWN",
      `${label} holds the tensor "${name}", which a model of this architecture and of ${config.layers} layers does not have.`,
    );
  }
  return stored;
}

function checkOne(
  name: string,
  shape: readonly number[],
  found: FoundTensor | undefined,
  config: ModelConfig,
  label: string,
): StoredTensor {
  if (found === undefined) {
    const either = config.tieWordEmbeddings && (name === LM_HEAD || name === EMBEDDING);
    const wanted = either ? `"${EMBEDDING}" nor "${LM_HEAD}"` : `"${name}"`;
    throw new InputError(
      "TENSOR_MISSING",
      `${label} has ${either ? "neither" : "no tensor"} ${wanted}; expected shape [${shape.join(", ")}].`,
    );
  }
  if (found.shape.length !== shape.length || found.shape.some((extent, axis) => extent !== shape[axis])) {
    throw new InputError(
      "TENSOR_SHAPE",
      `${found.path}: tensor "${name}" has shape [${found.shape.join(", ")}]; its configuration asks for [${shape.join(", ")}].`,
    );
  }
  const [rows, cols] = shape.length === 1 ? [1, shape[0]!] : [shape[0]!, shape[1]!];
  return found.open(name, rows, cols);
}
