/**
 * The layouts of docs/numerics.md decoded a second time, straight from the page's sentences and bit by bit, with
 * nothing of quant/format: what the tests hold the layout modules and the reference against.
 */
const patterns = ["01", "02", "03", "12", "13", "23"];

export interface PageWeights {
  /** code, or undefined where 2:4 drops the weight. */
  readonly codes: readonly (number | undefined)[];
  readonly scale: number;
  readonly zeroHalf: number;
  readonly exponent: number;
}

interface Shape {
  readonly format: "w2s24" | "w2" | "w4" | "w8";
  readonly columns: number;
  readonly channels: number;
}

/** Little-endian bits [first, first + count) of a byte array. */
export function bitsAt(bytes: Uint8Array, first: number, count: number): number {
  let value = 0n;
  const from = Math.floor(first / 8);
  const to = Math.floor((first + count - 1) / 8);
  for (let i = to; i >= from; i--) value = value * 256n + BigInt(bytes[i]!);
  return Number((value >> BigInt(first % 8)) & ((1n << BigInt(count)) - 1n));
}

/** Beats that one channel's tiles before `tile` fill, exponent beats counted, and the beat of its exponents. */
function tileStart(shape: Shape, tile: number): { start: number; exponents: number; groups: number } {
  const groups = Math.ceil(shape.columns / 64);
  const planes = { w2s24: 1, w2: 1, w4: 2, w8: 4 }[shape.format];
  const beats = shape.format === "w2s24" ? groups : groups * planes + Math.ceil(groups / 6);
  const run = Math.floor(tile / 16);
  const exponents = run * (1 + 16 * beats);
  return { start: exponents + 1 + (tile % 16) * beats, exponents, groups };
}

/** Group `group` of row `row`, from the channels' bytes. */
export function pageGroup(
  shape: Shape,
  channels: readonly Uint8Array[],
  row: number,
  group: number,
): PageWeights {
  const t = Math.floor(row / 4);
  const lane = row % 4;
  const bytes = channels[t % shape.channels]!;
  const tile = Math.floor(t / shape.channels);
  const { start, exponents } = tileStart(shape, tile);
  const e = bytes[exponents * 64 + 4 * (tile % 16) + lane]!;
  const exponent = e > 127 ? e - 256 : e;
  if (shape.format === "w2s24") return { ...sparseUnit(bytes, (start + group) * 64 + 16 * lane), exponent };
  const planes = { w2: 1, w4: 2, w8: 4 }[shape.format];
  const six = Math.floor(group / 6);
  const scales = start + six * (1 + 6 * planes);
  const k = 4 * (group % 6) + lane;
  const codes = Array.from({ length: 64 }, (_, i) => {
    let code = 0;
    for (let p = 0; p < planes; p++) {
      const unit = (scales + 1 + (group % 6) * planes + p) * 64 + 16 * lane;
      code += bitsAt(bytes, 8 * unit + 2 * i, 2) * 4 ** p;
    }
    return code;
  });
  const zero = bitsAt(bytes, scales * 512 + 384 + 5 * k, 5);
  return {
    codes,
    scale: bitsAt(bytes, scales * 512 + 16 * k, 16),
    zeroHalf: shape.format === "w8" ? zero * 16 : zero,
    exponent,
  };
}

function sparseUnit(bytes: Uint8Array, unit: number): Omit<PageWeights, "exponent"> {
  const codes: (number | undefined)[] = Array.from({ length: 64 }, () => undefined);
  let next = 0;
  for (let quad = 0; quad < 16; quad++) {
    const byte = bitsAt(bytes, unit * 8 + 64 + 8 * Math.floor(quad / 3), 8);
    const pattern =
      quad === 15
        ? bitsAt(bytes, unit * 8 + 104, 3)
        : [byte % 6, Math.floor(byte / 6) % 6, Math.floor(byte / 36)][quad % 3]!;
    for (const position of patterns[pattern]!) {
      codes[4 * quad + Number(position)] = bitsAt(bytes, unit * 8 + 2 * next, 2);
      next++;
    }
  }
  return { codes, zeroHalf: bitsAt(bytes, unit * 8 + 108, 4), scale: bitsAt(bytes, unit * 8 + 112, 16) };
}

/** A matrix as doubles, [rows][columns]: m * 2^e * (c - zh / 2), zero where dropped. */
export function pageMatrix(
  shape: Shape & { readonly rows: number },
  channels: readonly Uint8Array[],
): number[][] {
  return Array.from({ length: shape.rows }, (_, row) =>
    Array.from({ length: Math.ceil(shape.columns / 64) }, (_, g) => {
      const { codes, scale, zeroHalf, exponent } = pageGroup(shape, channels, row, g);
      return codes.map((c) => (c === undefined ? 0 : scale * 2 ** exponent * (c - zeroHalf / 2)));
    })
      .flat()
      .slice(0, shape.columns),
  );
}

export interface PageKvShape {
  readonly kvHeads: number;
  readonly headDim: number;
  readonly kvChannels: number;
  readonly sinks: number;
  readonly window: number;
}

/** A cached key (or value) of a head and position, dequantized, from one layer's bytes of every KV channel. */
export function pageKv(
  shape: PageKvShape,
  channels: readonly Uint8Array[],
  head: number,
  part: "key" | "value",
  position: number,
): number[] {
  const { headDim, sinks } = shape;
  const ring = shape.window + 15;
  const slot = position < sinks ? position : sinks + ((position - sinks) % ring);
  const blocks = Math.ceil((sinks + ring) / 16);
  const blockBytes = 64 + 64 * Math.ceil((16 * headDim) / 2 / 64);
  const bytes = channels[head % shape.kvChannels]!;
  const region = 2 * Math.floor(head / shape.kvChannels) + (part === "key" ? 0 : 1);
  const block = (region * blocks + Math.floor(slot / 16)) * blockBytes;
  const scale = pageFloat16(bitsAt(bytes, 8 * (block + 4 * (slot % 16)), 16));
  const minimum = pageFloat16(bitsAt(bytes, 8 * (block + 4 * (slot % 16)) + 16, 16));
  const codes = block + 64 + ((slot % 16) * headDim) / 2;
  return Array.from({ length: headDim }, (_, i) => bitsAt(bytes, 8 * codes + 4 * i, 4) * scale + minimum);
}

function pageFloat16(bits: number): number {
  const sign = bits >= 0x8000 ? -1 : 1;
  const e = Math.floor(bits / 1024) % 32;
  const mantissa = bits % 1024;
  return sign * (e === 0 ? mantissa / 2 ** 24 : (1 + mantissa / 1024) * 2 ** (e - 15));
}
