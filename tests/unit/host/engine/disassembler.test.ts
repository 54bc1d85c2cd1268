import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Descriptor, encodeDescriptors } from "../../../../host/engine/commands.ts";
import { assemble, disassemble } from "../../../../host/engine/disassembler.ts";
import { planMemory } from "../../../../host/engine/plan.ts";
import { platforms } from "../../../../quant/format/platform.ts";
import { imageHeader, smallShape } from "./memory-image.ts";

/** Sixteen words as bytes, written without the code under test. */
function words(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(64);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of values.entries()) view.setUint32(4 * i, value, true);
  return bytes;
}

describe("encodeDescriptors", () => {
  it("puts each field at its word, little endian", () => {
    const norm: Descriptor = {
      operation: "norm",
      flags: 1,
      fields: { gainOffset: 0x01020304, length: 256, epsilonBits: 0x3727c5ac },
    };
    const bytes = encodeDescriptors([norm]);
    expect(bytes).toEqual(words(2, 1, 0x01020304, 256, 0x3727c5ac));
    expect([...bytes.subarray(8, 12)]).toEqual([4, 3, 2, 1]);
  });

  it.each([-1, 2 ** 32, 1.5, Number.NaN])("refuses a field of %s", (length) => {
    expect(() => encodeDescriptors([{ operation: "add", flags: 0, fields: { length } }])).toThrow(/length/);
  });
});

describe("disassemble", () => {
  it("names operation, flags, formats, buffers and floats", () => {
    expect(disassemble(words(3, 8, 10, 256, 64, 1, 2, 99, 7))).toBe(
      "matmul flags=biased weightOffset=10 rows=256 columns=64 format=w2 destination=q beats=99 biasOffset=7",
    );
    expect(disassemble(words(2, 1, 7, 256, 0x3727c5ac))).toBe(
      "norm flags=head gainOffset=7 length=256 epsilon=0.00001",
    );
    expect(disassemble(words(9, 0, 1, 20, 5, 2))).toBe("dump buffer=a length=20 ioOffset=5 rowBeats=2");
    expect(disassemble(words(5, 6, 1, 2, 8, 4, 60, 75, 9, 4, 0x3eb504f3, 0, 11, 1))).toBe(
      "attend flags=hadamard+centered kvOffset=1 kvHeads=2 headDim=8 sinks=4 window=60 ring=75 meanOffset=9 heads=4 scoreScale=0.35355338 meanScale=0 distanceOffset=11 distanceBeats=1",
    );
  });

  it("shows what no table names", () => {
    expect(disassemble(words(77, 16, 5))).toBe("77 flags=16 word2=5");
    expect(disassemble(words(3, 0, 0, 0, 0, 9, 20, 0, 0, 4))).toBe(
      "matmul weightOffset=0 rows=0 columns=0 format=9 destination=20 beats=0 biasOffset=0 word9=4",
    );
  });

  it("assembles back to the same bytes, whatever they are", () => {
    const word = fc.oneof(
      fc.nat(12),
      fc.integer({ min: 0, max: 0xffffffff }),
      fc.constantFrom(0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0x80000000, 1, 0xffffffff),
    );
    fc.assert(
      fc.property(fc.array(fc.array(word, { minLength: 16, maxLength: 16 }), { maxLength: 4 }), (rows) => {
        const bytes = new Uint8Array(rows.length * 64);
        for (const [i, row] of rows.entries()) bytes.set(words(...row), i * 64);
        expect(assemble(disassemble(bytes))).toEqual(bytes);
      }),
      { numRuns: 2000 },
    );
  });

  it("assembles a forward pass back, with comments and empty lines in between", () => {
    const { forward } = planMemory(imageHeader(smallShape), platforms.tiny!, { trace: true });
    const bytes = encodeDescriptors(forward.descriptors);
    const text = disassemble(bytes).split("\n").join(" # comment\n\n");
    expect(assemble(text)).toEqual(bytes);
  });

  it.each([
    "norm length",
    "norm nothing=1",
    "norm length=x",
    "norm length=4294967296",
    "norm epsilon=",
    "glow",
    "add word16=1",
  ])("refuses the line %j with its number", (line) => {
    expect(() => assemble(`add length=1\n${line}`)).toThrow(
      expect.objectContaining({ code: "BAD_ASSEMBLY", message: expect.stringContaining("Line 2") }),
    );
  });
});
