import { InputError } from "../../host/errors.ts";
import { tokenizerFromPieces } from "./sentencepiece.ts";
import type { TokenizerFiles } from "./tokenizer-files.ts";

/** Limits on a SentencePiece model. */
export const SENTENCEPIECE_LIMITS = { pieces: 1 << 20, pieceBytes: 1_024 } as const;

/** Wire types of protocol buffers, and how many bytes the fixed ones take. */
const VARINT = 0;
const LENGTH_DELIMITED = 2;
const FIXED_BYTES: Readonly<Record<number, number>> = { 1: 8, 5: 4 };

/** Field numbers of sentencepiece_model.proto. */
const MODEL = { pieces: 1, trainer: 2, normalizer: 3 } as const;
const PIECE = { text: 1, score: 2 } as const;
const TRAINER = { modelType: 3, unknownId: 40, bosId: 41, eosId: 42 } as const;
const NORMALIZER = { addDummyPrefix: 3 } as const;
const BPE = 2;

interface Field {
  readonly number: number;
  /** Of a varint field; else 0. */
  readonly value: number;
  readonly bytes: Uint8Array;
}

/**
 * Reads a SentencePiece `.model` (a protocol buffer, sentencepiece_model.proto) of type BPE, as Llama 2 has.
 * @throws InputError where it is damaged, over SENTENCEPIECE_LIMITS, or of another type.
 */
export function tokenizerFromSentencePiece(bytes: Uint8Array, path: string): TokenizerFiles {
  const bad = (message: string) => new InputError("TOKENIZER_INVALID", `${path}: ${message}.`);
  const texts: string[] = [];
  const scores: number[] = [];
  let trainer: readonly Field[] = [];
  for (const field of fieldsOf(bytes, bad)) {
    if (field.number === MODEL.pieces) {
      if (texts.length === SENTENCEPIECE_LIMITS.pieces) throw bad(`it has more than ${texts.length} pieces`);
      const piece = readPiece(field.bytes, texts.length, bad);
      texts.push(piece.text);
      scores.push(piece.score);
    } else if (field.number === MODEL.trainer) trainer = fieldsOf(field.bytes, bad);
    else if (
      field.number === MODEL.normalizer &&
      valueIn(fieldsOf(field.bytes, bad), NORMALIZER.addDummyPrefix, 1) === 0
    ) {
      throw bad("it puts no space in front of a text, which is not supported");
    }
  }
  if (valueIn(trainer, TRAINER.modelType, 1) !== BPE) {
    throw bad("it is no BPE model; other types of SentencePiece are not supported");
  }
  const special = {
    unknownId: valueIn(trainer, TRAINER.unknownId, 0),
    bosId: valueIn(trainer, TRAINER.bosId, 1),
    eosId: valueIn(trainer, TRAINER.eosId, 2),
  };
  for (const [name, id] of Object.entries(special)) {
    if (id >= texts.length) throw bad(`its ${name} is ${id}, but it has ${texts.length} pieces`);
  }
  return tokenizerFromPieces({ texts, scores, ...special }, path);
}

function readPiece(
  bytes: Uint8Array,
  id: number,
  bad: (message: string) => InputError,
): { text: string; score: number } {
  const fields = fieldsOf(bytes, bad);
  const encoded = fields.find(({ number }) => number === PIECE.text)?.bytes ?? new Uint8Array();
  if (encoded.length < 1 || encoded.length > SENTENCEPIECE_LIMITS.pieceBytes) {
    throw bad(
      `piece ${id} has ${encoded.length} bytes; 1 to ${SENTENCEPIECE_LIMITS.pieceBytes} are accepted`,
    );
  }
  const score = fields.find(({ number }) => number === PIECE.score)?.bytes;
  const value = score?.length === 4 ? new DataView(score.buffer, score.byteOffset).getFloat32(0, true) : 0;
  if (!Number.isFinite(value)) throw bad(`the score of piece ${id} is not a number`);
  try {
    return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(encoded), score: value };
  } catch {
    throw bad(`piece ${id} is not UTF-8`);
  }
}

/** A varint field's value, or protobuf's default for it; an id that is negative in the file is past every piece. */
function valueIn(fields: readonly Field[], number: number, otherwise: number): number {
  return fields.findLast((field) => field.number === number)?.value ?? otherwise;
}

/** The fields of one message; `bytes` are views, nothing is copied. */
function fieldsOf(bytes: Uint8Array, bad: (message: string) => InputError): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (at >= bytes.length) throw bad("it ends within a number");
      const byte = bytes[at++]!;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw bad("it has a number of more than ten bytes");
  };
  while (at < bytes.length) {
    const tag = varint();
    const wire = tag % 8;
    const value = wire === VARINT ? varint() : 0;
    const length = wire === VARINT ? 0 : wire === LENGTH_DELIMITED ? varint() : FIXED_BYTES[wire];
    if (length === undefined) throw bad(`it is no SentencePiece model: there is no wire type ${wire}`);
    if (length > bytes.length - at) {
      throw bad(`a field claims ${length} bytes of the ${bytes.length - at} left`);
    }
    fields.push({ number: Math.floor(tag / 8), value, bytes: bytes.subarray(at, at + length) });
    at += length;
  }
  return fields;
}
