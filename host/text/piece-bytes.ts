import { z } from "zod";
import { InputError } from "../errors.ts";

/** How a tokenizer's pieces become bytes of UTF-8, from the decoder of its tokenizer.json. */
export interface PieceDecoder {
  /** The bytes that a piece stands for, wherever in the text it is. */
  bytesOf(piece: string): Uint8Array;
  /** Spaces to take away from the very beginning of a text, at most. */
  readonly leadingSpaces: number;
}

const stringPattern = z.looseObject({ String: z.string().min(1) });
const decoderStep = z.discriminatedUnion("type", [
  z.looseObject({ type: z.literal("ByteLevel") }),
  z.looseObject({ type: z.literal("Replace"), pattern: stringPattern, content: z.string() }),
  z.looseObject({ type: z.literal("ByteFallback") }),
  z.looseObject({ type: z.literal("Fuse") }),
  z.looseObject({
    type: z.literal("Strip"),
    content: z.literal(" "),
    start: z.number().int().min(0).max(16),
    stop: z.literal(0),
  }),
  z.looseObject({
    type: z.literal("Metaspace"),
    replacement: z.string().min(1),
    prepend_scheme: z.string().optional(),
  }),
]);
const sequenceSchema = z.looseObject({ type: z.literal("Sequence"), decoders: z.array(decoderStep).max(16) });

const BYTE_PIECE = /^<0x([0-9A-Fa-f]{2})>$/;
const utf8 = new TextEncoder();

/**
 * Understands the decoder of a tokenizer.json: byte-level BPE, or SentencePiece's with byte fallback.
 * @throws InputError for any other.
 */
export function pieceDecoder(decoder: unknown): PieceDecoder {
  const steps = stepsOf(decoder);
  if (steps.some((step) => step.type === "ByteLevel")) return { bytesOf: byteLevelBytes, leadingSpaces: 0 };

  const replacements: [string, string][] = [];
  let byteFallback = false;
  let leadingSpaces = 0;
  for (const step of steps) {
    if (step.type === "Replace") replacements.push([step.pattern.String, step.content]);
    if (step.type === "Metaspace") {
      replacements.push([step.replacement, " "]);
      if (step.prepend_scheme !== "never") leadingSpaces = 1;
    }
    if (step.type === "ByteFallback") byteFallback = true;
    if (step.type === "Strip") leadingSpaces = step.start;
  }
  const bytesOf = (piece: string) => {
    const byte = byteFallback ? BYTE_PIECE.exec(piece) : null;
    if (byte !== null) return Uint8Array.of(Number.parseInt(byte[1]!, 16));
    return utf8.encode(replacements.reduce((text, [from, to]) => text.replaceAll(from, to), piece));
  };
  return { bytesOf, leadingSpaces };
}

function stepsOf(decoder: unknown): z.infer<typeof decoderStep>[] {
  const sequence = sequenceSchema.safeParse(decoder);
  if (sequence.success) return sequence.data.decoders;
  const single = decoderStep.safeParse(decoder);
  if (single.success) return [single.data];
  const type = (decoder as { type?: unknown } | null)?.type;
  throw new InputError(
    "TOKENIZER_UNSUPPORTED",
    `tokenizer.json has a decoder "${type}" that is not supported.`,
    {
      hint: "Supported are ByteLevel, and Replace, ByteFallback, Fuse, Strip and Metaspace in sequence.",
      cause: type === "Sequence" ? sequence.error : single.error,
    },
  );
}

/**
 * GPT-2's printable stand-ins for bytes: printable Latin-1 characters stand for themselves, the other bytes in
 * their order for the characters from U+0100 on.
 */
const BYTE_OF_CHARACTER: ReadonlyMap<string, number> = (() => {
  const printable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
  const map = new Map<string, number>();
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) map.set(String.fromCharCode(printable(byte) ? byte : next++), byte);
  return map;
})();

function byteLevelBytes(piece: string): Uint8Array {
  const bytes = Array.from(piece, (character) => BYTE_OF_CHARACTER.get(character));
  // A piece with other characters is plain text, as in Hugging Face's tokenizers.
  return bytes.includes(undefined) ? utf8.encode(piece) : Uint8Array.from(bytes as number[]);
}
