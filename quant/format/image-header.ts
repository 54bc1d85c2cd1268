import { z } from "zod";
import { beatBytes, groupSize } from "./limits.ts";
import { modelConfigSchema } from "./model.ts";
import type { WeightFormat } from "./weight-layout.ts";

/**
 * The model image, one file: 8 bytes of magic, uint32 version, uint32 length of the JSON header, the header, then
 * sections that start on multiples of 4096 bytes. Section `w<N>` is what weight channel N's buffer holds, `table`
 * what the table buffer holds, so loading is copying. Tokenizer files follow as they were.
 */
export const imageMagic = Uint8Array.of(0x41, 0x43, 0x43, 0x4c, 0x4c, 0x4d, 0x1a, 0x0a);
export const imageVersion = 1;
export const imagePreambleBytes = 16;
export const sectionAlignment = 4096;
/** Longest JSON header that a reader takes. */
export const maxImageHeaderBytes = 16 * 1024 * 1024;

const offset = z.number().int().nonnegative();
const formatNames = ["w2s24", "w2", "w4", "w8"] as const satisfies readonly WeightFormat[];

const tensorSchema = z.object({
  /** Hugging Face name. */
  name: z.string().max(256),
  format: z.enum(formatNames),
  rows: z.number().int().positive(),
  columns: z.number().int().positive(),
  /** First beat in every weight channel. */
  offset,
  /** Beats in every weight channel. */
  beats: z.number().int().positive(),
});

const sectionSchema = z.object({
  name: z.string().max(64),
  /** Bytes from the start of the file. */
  offset,
  bytes: offset,
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

export const imageHeaderSchema = z.object({
  format: z.literal("accllm-image"),
  version: z.literal(imageVersion),
  /** Kernel ABI (command stream and layout) that the image is for. */
  abi: z.number().int().positive(),
  /** Name and version of the program that wrote it. */
  generator: z.string().max(128),
  model: modelConfigSchema,
  platform: z.object({
    name: z.string().max(64),
    weightChannels: z.number().int().positive(),
    kvChannels: z.number().int().positive(),
  }),
  kv: z.object({
    hadamard: z.boolean(),
    /** Key means are calibrated; false means that they are zero. */
    centered: z.boolean(),
    /** Defaults of a session. */
    sinks: z.number().int().nonnegative(),
    window: z.number().int().positive(),
  }),
  quantization: z.object({
    group: z.literal(groupSize),
    weights: z.enum(formatNames),
    method: z.string().max(64),
    bitsPerWeight: z.number().positive(),
  }),
  tensors: z.array(tensorSchema).max(100_000),
  /** Beats in the table section. */
  table: z.object({
    embedding: z.object({ offset, rowBeats: z.number().int().positive() }),
    /** float32 gains by Hugging Face name. */
    gains: z.record(z.string().max(256), offset),
    /** float32 biases by Hugging Face name. */
    biases: z.record(z.string().max(256), offset),
    /** float32 key means [kvHeads][headDim], one offset a layer. */
    keyMeans: z.array(offset),
  }),
  sections: z.array(sectionSchema).max(1000),
});

export type ImageHeader = z.infer<typeof imageHeaderSchema>;
export type ImageTensor = z.infer<typeof tensorSchema>;
export type ImageSection = z.infer<typeof sectionSchema>;

/** Section names besides the weight channels'. */
export const sectionNames = {
  table: "table",
  tokenizer: "tokenizer.json",
  tokenizerConfig: "tokenizer_config.json",
  /** Where the chat template is a file of its own. */
  chatTemplate: "chat_template.jinja",
} as const;

export function weightSection(channel: number): string {
  return `w${channel}`;
}

export function alignSection(bytes: number): number {
  return Math.ceil(bytes / sectionAlignment) * sectionAlignment;
}

/** Beats that `bytes` fill. */
export function beatsOf(bytes: number): number {
  return Math.ceil(bytes / beatBytes);
}
