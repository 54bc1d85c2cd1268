import { InputError } from "../../host/errors.ts";
import {
  beatsOf,
  type ImageHeader,
  type ImageSection,
  sectionAlignment,
  sectionNames,
  weightSection,
} from "./image-header.ts";
import { modelTensors } from "./image-plan.ts";
import { beatBytes } from "./limits.ts";
import { modelLimitProblem, windowProblem } from "./model-limits.ts";
import { kernelAbiVersion, platforms } from "./platform.ts";
import { matrixLayout } from "./weight-layout.ts";

const remake = "Quantize the checkpoint again.";

/**
 * Checks that a header that its schema accepts is consistent: that this program's kernel can run it, that its
 * sections lie in the file one after the other, and that every tensor of its model is there, with the right shape
 * and inside its section. Nothing is sized by a number of the header that has not been checked.
 * @param firstByte where sections may begin. @param path for messages.
 * @throws InputError IMAGE_INVALID or IMAGE_ABI.
 */
export function checkImage(header: ImageHeader, firstByte: number, fileBytes: number, path: string): void {
  const problem = abiProblem(header);
  if (problem !== undefined) {
    throw new InputError("IMAGE_ABI", `The image ${path} is for ${problem}.`, { hint: remake });
  }
  for (const check of [modelProblem, sectionsProblem, matricesProblem, tableProblem]) {
    const found = check(header, firstByte, fileBytes);
    if (found === undefined) continue;
    throw new InputError("IMAGE_INVALID", `The image ${path} is damaged: ${found}.`, { hint: remake });
  }
}

function abiProblem({ abi, platform }: ImageHeader): string | undefined {
  if (abi !== kernelAbiVersion)
    return `version ${abi} of the kernel's interface; this program has version ${kernelAbiVersion}`;
  const { name, weightChannels, kvChannels } = platform;
  const known = Object.hasOwn(platforms, name) ? platforms[name] : undefined;
  if (known === undefined) return `the platform "${name}", which this program does not know`;
  if (known.weightChannels === weightChannels && known.kvChannels === kvChannels) return undefined;
  return (
    `${name} with ${weightChannels} weight and ${kvChannels} KV channels; ` +
    `this program has it with ${known.weightChannels} and ${known.kvChannels}`
  );
}

function modelProblem({ model, kv }: ImageHeader): string | undefined {
  const limit = modelLimitProblem(model);
  if (limit !== undefined) return `its model ${limit}`;
  const window = windowProblem(kv.sinks, kv.window);
  return window === undefined ? undefined : `it asks for ${window}`;
}

function sectionsProblem(header: ImageHeader, firstByte: number, fileBytes: number): string | undefined {
  const required = [...weightSections(header), sectionNames.table, sectionNames.tokenizer];
  const optional: string[] = [sectionNames.tokenizerConfig, sectionNames.chatTemplate];
  const seen = new Set<string>();
  for (const { name } of header.sections) {
    if (seen.has(name)) return `it has two sections "${name}"`;
    if (!required.includes(name) && !optional.includes(name)) return `it has an unknown section "${name}"`;
    seen.add(name);
  }
  const missing = required.find((name) => !seen.has(name));
  if (missing !== undefined) return `it has no section "${missing}"`;

  let end = firstByte;
  for (const section of [...header.sections].sort((a, b) => a.offset - b.offset || a.bytes - b.bytes)) {
    const { name, offset, bytes } = section;
    if (offset % sectionAlignment !== 0) return `section "${name}" begins at byte ${offset}, not at a page`;
    if (offset < end) return `section "${name}" overlaps what precedes it`;
    end = offset + bytes;
    if (end > fileBytes) return `section "${name}" ends at byte ${end}, but the file has only ${fileBytes}`;
  }
  return undefined;
}

function weightSections({ platform }: ImageHeader): string[] {
  return Array.from({ length: platform.weightChannels }, (_, channel) => weightSection(channel));
}

interface Extent {
  readonly what: string;
  readonly offset: number;
  readonly beats: number;
}

function matricesProblem(header: ImageHeader): string | undefined {
  const { matrices } = modelTensors(header.model);
  if (header.tensors.length !== matrices.length) {
    return `it lists ${header.tensors.length} tensors; its model has ${matrices.length}`;
  }
  const byName = new Map(header.tensors.map((tensor) => [tensor.name, tensor]));
  const extents: Extent[] = [];
  for (const { name, rows, columns } of matrices) {
    const tensor = byName.get(name);
    if (tensor === undefined) return `it has no tensor "${name}"`;
    if (tensor.rows !== rows || tensor.columns !== columns) {
      return `tensor "${name}" has shape [${tensor.rows}, ${tensor.columns}]; its model needs [${rows}, ${columns}]`;
    }
    const { beats } = matrixLayout(tensor.format, rows, columns, header.platform.weightChannels);
    if (tensor.beats !== beats) {
      return `tensor "${name}" is said to fill ${tensor.beats} beats; as ${tensor.format} it fills ${beats}`;
    }
    extents.push({ what: `tensor "${name}"`, offset: tensor.offset, beats });
  }
  for (const name of weightSections(header)) {
    const found = fillProblem(extents, sectionOf(header, name));
    if (found !== undefined) return found;
  }
  return undefined;
}

function tableProblem(header: ImageHeader): string | undefined {
  const { model, table } = header;
  const rowBeats = beatsOf(model.hiddenSize * 2);
  if (table.embedding.rowBeats !== rowBeats) {
    return `its embeddings have rows of ${table.embedding.rowBeats} beats; ${model.hiddenSize} values need ${rowBeats}`;
  }
  const extents: Extent[] = [
    { what: "the embedding", offset: table.embedding.offset, beats: rowBeats * model.vocabSize },
  ];
  const { gains, biases } = modelTensors(model);
  for (const [tensors, offsets] of [[gains, table.gains] as const, [biases, table.biases] as const]) {
    for (const { name, columns } of tensors) {
      if (!Object.hasOwn(offsets, name)) return `it has no tensor "${name}"`;
      extents.push({ what: `tensor "${name}"`, offset: offsets[name]!, beats: beatsOf(columns * 4) });
    }
  }
  if (table.keyMeans.length !== model.layers) {
    return `it has key means of ${table.keyMeans.length} layers; its model has ${model.layers}`;
  }
  const meanBeats = beatsOf(model.kvHeads * model.headDim * 4);
  for (const [layer, offset] of table.keyMeans.entries()) {
    extents.push({ what: `the key mean of layer ${layer}`, offset, beats: meanBeats });
  }
  return fillProblem(extents, sectionOf(header, sectionNames.table));
}

/** What is wrong with the places in a section: overlaps, or another end than the section's. */
function fillProblem(extents: readonly Extent[], section: ImageSection): string | undefined {
  let end = 0;
  for (const { what, offset, beats } of [...extents].sort((a, b) => a.offset - b.offset)) {
    if (offset < end) return `${what} overlaps what precedes it`;
    end = offset + beats;
  }
  if (end * beatBytes === section.bytes) return undefined;
  return `section "${section.name}" has ${section.bytes} bytes; what lies in it ends at byte ${end * beatBytes}`;
}

function sectionOf(header: ImageHeader, name: string): ImageSection {
  return header.sections.find((section) => section.name === name)!;
}
