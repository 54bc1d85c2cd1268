import { InputError } from "../../errors.ts";

/** The error of every malformed file. */
export function invalidXclbin(reason: string): InputError {
  return new InputError("XCLBIN_INVALID", `This is not a valid xclbin file: ${reason}.`, {
    hint: "Check that the file was copied whole; `accllm inspect FILE` lists what a sound one contains.",
  });
}

/** A view on bytes whose reads are checked; outside is an {@link InputError} and never a RangeError. */
export class CheckedBytes {
  readonly bytes: Uint8Array;
  readonly #what: string;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, what: string) {
    this.bytes = bytes;
    this.#what = what;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Bytes `offset` to `offset + length`, not copied. */
  slice(offset: number | bigint, length: number | bigint): Uint8Array {
    if (BigInt(offset) + BigInt(length) > BigInt(this.bytes.length)) {
      throw invalidXclbin(
        `${this.#what} has ${this.bytes.length} bytes, but ${length} bytes at offset ${offset} are asked for`,
      );
    }
    return this.bytes.subarray(Number(offset), Number(offset) + Number(length));
  }

  #at(offset: number, length: number): number {
    this.slice(offset, length);
    return offset;
  }

  u8(offset: number): number {
    return this.#view.getUint8(this.#at(offset, 1));
  }

  u16(offset: number): number {
    return this.#view.getUint16(this.#at(offset, 2), true);
  }

  i16(offset: number): number {
    return this.#view.getInt16(this.#at(offset, 2), true);
  }

  u32(offset: number): number {
    return this.#view.getUint32(this.#at(offset, 4), true);
  }

  i32(offset: number): number {
    return this.#view.getInt32(this.#at(offset, 4), true);
  }

  u64(offset: number): bigint {
    return this.#view.getBigUint64(this.#at(offset, 8), true);
  }
}

/** Text of a fixed-size field, up to its first null byte. */
export function fieldText(field: Uint8Array): string {
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

/** A fixed-size field with that text; throws when the text and its null byte do not fit. */
export function textField(text: string, bytes: number): Uint8Array {
  const encoded = new TextEncoder().encode(text);
  if (encoded.length >= bytes) throw invalidXclbin(`'${text}' does not fit into a field of ${bytes} bytes`);
  const field = new Uint8Array(bytes);
  field.set(encoded);
  return field;
}

/** A UUID's 16 bytes in lower-case hex with dashes. */
export function uuidText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
