import {
  descriptorBytes,
  type descriptorFields,
  descriptorFields as fieldTable,
  type Operation,
  operations,
} from "../../quant/format/command.ts";

/** One descriptor of the command stream, its fields by name (quant/format/command.ts). */
export type Descriptor = {
  [O in Operation]: {
    readonly operation: O;
    /** Bits of descriptorFlags. */
    readonly flags: number;
    readonly fields: Readonly<Record<keyof (typeof descriptorFields)[O], number>>;
  };
}[Operation];

/** Writes descriptors as the kernel reads them, 64 bytes each. */
export function encodeDescriptors(descriptors: readonly Descriptor[]): Uint8Array {
  const bytes = new Uint8Array(descriptors.length * descriptorBytes);
  const view = new DataView(bytes.buffer);
  descriptors.forEach((descriptor, i) => {
    const at = i * descriptorBytes;
    view.setUint32(at, operations[descriptor.operation], true);
    view.setUint32(at + 4, descriptor.flags, true);
    const words: Record<string, number> = fieldTable[descriptor.operation];
    for (const [field, value] of Object.entries(descriptor.fields)) {
      if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) {
        throw new RangeError(
          `descriptor ${i}, ${descriptor.operation}: ${field} = ${value} does not fit 32 bits`,
        );
      }
      view.setUint32(at + 4 * words[field]!, value, true);
    }
  });
  return bytes;
}

const scratch = new DataView(new ArrayBuffer(4));

/** Bits of a number rounded to float32. */
export function float32Bits(value: number): number {
  scratch.setFloat32(0, value);
  return scratch.getUint32(0);
}

/** Value of a float32 given as bits. */
export function float32Value(bits: number): number {
  scratch.setUint32(0, bits);
  return scratch.getFloat32(0);
}
