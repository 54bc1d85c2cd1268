import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { InputError } from "../../host/errors.ts";
import { expectedTensors } from "../format/inventory.ts";
import { type OpenFile, openFile } from "./file-range.ts";
import { assembleGptq } from "./gptq.ts";
import { gptqConfigSchema, type ZeroOffset, zeroOffsetOf } from "./gptq-config.ts";
import { hfConfigSchema, hfGenerationConfigSchema, modelConfigFromHf } from "./hf-config.ts";
import { checkSchema, FILE_LIMITS, parseJson, readBounded } from "./json-file.ts";
import { readSafetensorsHeader } from "./safetensors.ts";
import type { OpenedWeights } from "./stored-tensor.ts";
import { checkTensors, foundEntry, type LocatedEntry } from "./tensor-check.ts";

/** Most files one checkpoint may be split into; each is kept open. */
const MAX_SHARDS = 512;

const WEIGHTS_FILE = "model.safetensors";
const INDEX_FILE = "model.safetensors.index.json";
const QUANTIZE_CONFIG_FILE = "quantize_config.json";

/** A shard's name is a plain file name, so that an index cannot name files outside its folder. */
const SHARD_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,200}\.safetensors$/;

const indexSchema = z.looseObject({
  weight_map: z.record(z.string(), z.string().regex(SHARD_NAME, "not a plain name of a .safetensors file")),
});

/**
 * Opens a folder in Hugging Face form.
 * @throws InputError where a file is missing or damaged, the architecture is unknown, or a tensor is missing or of
 *   the wrong shape or dtype.
 */
export async function openHuggingFace(folder: string): Promise<OpenedWeights> {
  const configPath = join(folder, "config.json");
  const configBytes = await readBounded(configPath, FILE_LIMITS.config);
  if (configBytes === null) {
    throw new InputError(
      "CONFIG_MISSING",
      `${folder} has no config.json, so it is no Hugging Face checkpoint.`,
    );
  }
  const generationPath = join(folder, "generation_config.json");
  const generationBytes = await readBounded(generationPath, FILE_LIMITS.generationConfig);
  const generation =
    generationBytes === null ? null : parseJson(generationBytes, hfGenerationConfigSchema, generationPath);
  const hf = parseJson(configBytes, hfConfigSchema, configPath);
  const config = modelConfigFromHf(hf, generation, configPath);
  const offset = await zeroOffset(folder, hf.quantization_config, configPath);

  const files: OpenFile[] = [];
  const close = async () => {
    await Promise.all(files.map((file) => file.handle.close()));
  };
  try {
    const located = await locateTensors(folder, files);
    const found =
      offset === undefined
        ? new Map([...located].map(([name, entry]) => [name, foundEntry(entry)]))
        : await assembleGptq(located, offset, new Set(expectedTensors(config).keys()));
    return { config, stored: checkTensors(config, found, folder), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * How zero-points of quantized matrices are meant; undefined where nothing is quantized. Old checkpoints say so in
 * quantize_config.json.
 */
async function zeroOffset(
  folder: string,
  inConfig: unknown,
  configPath: string,
): Promise<ZeroOffset | undefined> {
  if (inConfig !== undefined && inConfig !== null) {
    return zeroOffsetOf(checkSchema(inConfig, gptqConfigSchema, configPath), configPath);
  }
  const path = join(folder, QUANTIZE_CONFIG_FILE);
  const bytes = await readBounded(path, FILE_LIMITS.config);
  return bytes === null ? undefined : zeroOffsetOf(parseJson(bytes, gptqConfigSchema, path), path);
}

/** Opens the weight files, adding each to `files` so that the caller closes them, and lists their tensors. */
async function locateTensors(folder: string, files: OpenFile[]): Promise<Map<string, LocatedEntry>> {
  const found = new Map<string, LocatedEntry>();
  const indexPath = join(folder, INDEX_FILE);
  const index = existsSync(join(folder, WEIGHTS_FILE))
    ? null
    : await readBounded(indexPath, FILE_LIMITS.shardIndex);
  const shards = index === null ? null : shardsOf(index, indexPath);
  for (const name of shards?.keys() ?? [await onlyFile(folder)]) {
    const file = await openWeights(join(folder, name));
    files.push(file);
    const entries = await readSafetensorsHeader(file.handle, file.bytes, file.path);
    for (const tensor of shards?.get(name) ?? entries.keys()) {
      const entry = entries.get(tensor);
      if (entry === undefined) {
        throw new InputError(
          "TENSOR_MISSING",
          `${indexPath} places tensor "${tensor}" in ${name}, which has none.`,
        );
      }
      found.set(tensor, { file, entry });
    }
  }
  return found;
}

/** model.safetensors, or the only such file of the folder: GPTQ checkpoints name theirs after their bits and groups. */
async function onlyFile(folder: string): Promise<string> {
  if (existsSync(join(folder, WEIGHTS_FILE))) return WEIGHTS_FILE;
  const named = (await readdir(folder)).filter((name) => SHARD_NAME.test(name));
  return named.length === 1 ? named[0]! : WEIGHTS_FILE;
}

async function openWeights(path: string): Promise<OpenFile> {
  if (existsSync(path)) return openFile(path);
  throw new InputError("WEIGHTS_MISSING", `The weights file ${path} does not exist.`, {
    hint: `A checkpoint needs ${WEIGHTS_FILE}, or ${INDEX_FILE} and every file it names.`,
  });
}

/** Tensor names by shard, from model.safetensors.index.json. */
function shardsOf(bytes: Uint8Array, path: string): Map<string, string[]> {
  const shards = new Map<string, string[]>();
  for (const [tensor, shard] of Object.entries(parseJson(bytes, indexSchema, path).weight_map)) {
    const tensors = shards.get(shard);
    if (tensors === undefined) shards.set(shard, [tensor]);
    else tensors.push(tensor);
  }
  if (shards.size === 0) throw new InputError("INDEX_EMPTY", `${path} names no weights.`);
  if (shards.size > MAX_SHARDS) {
    throw new InputError(
      "TOO_MANY_SHARDS",
      `${path} names ${shards.size} files; at most ${MAX_SHARDS} are accepted.`,
    );
  }
  return shards;
}
