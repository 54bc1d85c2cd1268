import { InputError } from "../../host/errors.ts";
import { tokenizerFromPieces } from "./sentencepiece.ts";
import type { TokenizerFiles } from "./tokenizer-files.ts";

/** Limits on a llama2.c tokenizer.bin. */
export const TOKENIZER_BIN_LIMITS = { pieces: 1 << 20, pieceBytes: 1_024 } as const;

/** Bytes of a piece's score (float32) and length (int32). */
const PIECE_HEADER_BYTES = 8;

/** Ids that llama2.c has built in; its file spells the last two with line breaks around. */
const SPECIAL = ["<unk>", "<s>", "</s>"] as const;

/**
 * Reads a llama2.c tokenizer.bin: the longest piece's length as int32, then per piece a float32 score, an int32
 * length and the bytes in UTF-8, spaces plain. The first three are unknown, BOS and EOS.
 * @throws InputError where a length does not fit the file or the longest piece, or a piece is empty or no UTF-8.
 */
export function tokenizerFromBin(bytes: Uint8Array, path: string): TokenizerFiles {
  const bad = (message: string) => new InputError("TOKENIZER_INVALID", `${path}: ${message}.`);
  if (bytes.length < 4) throw bad(`${bytes.length} bytes are too few for a llama2.c tokenizer`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const longest = view.getInt32(0, true);
  if (longest < 1 || longest > TOKENIZER_BIN_LIMITS.pieceBytes) {
    throw bad(
      `it claims pieces of up to ${longest} bytes; 1 to ${TOKENIZER_BIN_LIMITS.pieceBytes} are accepted`,
    );
  }
  const texts: string[] = [];
  const scores: number[] = [];
  let position = 4;
  while (position < bytes.length) {
    const id = texts.length;
    if (id >= TOKENIZER_BIN_LIMITS.pieces)
      throw bad(`it has more than ${TOKENIZER_BIN_LIMITS.pieces} pieces`);
    if (position + PIECE_HEADER_BYTES > bytes.length) throw bad(`it ends within the header of piece ${id}`);
    const score = view.getFloat32(position, true);
    const length = view.getInt32(position + 4, true);
    position += PIECE_HEADER_BYTES;
    if (Number.isNaN(score)) throw bad(`the score of piece ${id} is not a number`);
    if (length < 1 || length > TOKENIZER_BIN_LIMITS.pieceBytes || position + length > bytes.length) {
      throw bad(`piece ${id} claims ${length} bytes of the ${bytes.length - position} left`);
    }
    const text = decodePiece(bytes.subarray(position, position + length));
    if (text === null) throw bad(`piece ${id} is not UTF-8`);
    texts.push(SPECIAL[id] ?? text.replaceAll(" ", "▁"));
    scores.push(score);
    position += length;
  }
  if (texts.length < SPECIAL.length) throw bad(`it has only ${texts.length} pieces`);
  return tokenizerFromPieces({ texts, scores, unknownId: 0, bosId: 1, eosId: 2 }, path);
}

function decodePiece(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}
