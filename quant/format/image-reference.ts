import type { Image, PackedMatrix } from "./image.ts";
import { sectionNames, weightSection } from "./image-header.ts";
import { biasName } from "./inventory.ts";
import { beatBytes } from "./limits.ts";
import type { ModelConfig } from "./model.ts";
import { matrixLayout } from "./weight-layout.ts";

/** Everything that an image holds of its model, in memory: what the reference model in quant/eval is made from. */
export interface ImageContents {
  readonly config: ModelConfig;
  readonly hadamard: boolean;
  readonly sinks: number;
  readonly window: number;
  readonly kvChannels: number;
  /** By Hugging Face name, as gains are. @throws RangeError for an unknown name. */
  matrix(name: string): PackedMatrix;
  gain(name: string): Float32Array;
  /** By its matrix's name; undefined where that has none. */
  bias(matrix: string): Float32Array | undefined;
  /** float16 bits of a token's embedding, hiddenSize of them. */
  embeddingRow(token: number): Uint16Array;
  /** [kvHeads * headDim], or undefined where keys are not centred. */
  keyMean(layer: number): Float32Array | undefined;
}

/**
 * Reads the weights and the table of an image, as many bytes as they have, and checks their SHA-256.
 * @param window tokens that a token attends to besides `sinks`; default from the image, as for the sinks.
 * @throws InputError IMAGE_HASH for a section that differs; InterruptedError.
 */
export async function readImageContents(
  image: Image,
  options: { readonly sinks?: number; readonly window?: number; readonly signal?: AbortSignal } = {},
): Promise<ImageContents> {
  const { model, platform, kv, table, sections } = image.header;
  const read = async (name: string): Promise<Uint8Array<ArrayBuffer>> => {
    const bytes = new Uint8Array(sections.find((section) => section.name === name)!.bytes);
    await image.readSection(name, bytes, options.signal);
    return bytes;
  };
  const weights: Uint8Array[] = [];
  for (let channel = 0; channel < platform.weightChannels; channel++)
    weights.push(await read(weightSection(channel)));
  const tableBytes = (await read(sectionNames.table)).buffer;
  const floats = (beat: number | undefined, count: number): Float32Array => {
    if (beat === undefined) throw new RangeError("the image has no such vector");
    return new Float32Array(tableBytes, beat * beatBytes, count);
  };
  return {
    config: model,
    hadamard: kv.hadamard,
    sinks: options.sinks ?? kv.sinks,
    window: options.window ?? kv.window,
    kvChannels: platform.kvChannels,
    matrix: (name) => {
      const { format, rows, columns, offset, beats } = image.tensor(name);
      const layout = matrixLayout(format, rows, columns, platform.weightChannels);
      const from = offset * beatBytes;
      return { layout, channels: weights.map((bytes) => bytes.subarray(from, from + beats * beatBytes)) };
    },
    gain: (name) =>
      floats(Object.hasOwn(table.gains, name) ? table.gains[name] : undefined, model.hiddenSize),
    bias: (matrix) => {
      const name = biasName(matrix);
      if (!Object.hasOwn(table.biases, name)) return undefined;
      return floats(table.biases[name], image.tensor(matrix).rows);
    },
    embeddingRow: (token) => {
      const beat = table.embedding.offset + token * table.embedding.rowBeats;
      return new Uint16Array(tableBytes, beat * beatBytes, model.hiddenSize);
    },
    keyMean: (layer) =>
      kv.centered ? floats(table.keyMeans[layer], model.kvHeads * model.headDim) : undefined,
  };
}
