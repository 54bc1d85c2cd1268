import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  emulationXclbin,
  parseXclbin,
  sectionKinds,
  writeXclbin,
} from "../../../../../host/device/xclbin/index.ts";
import { InputError } from "../../../../../host/errors.ts";
import { kernelAbiVersion, platforms } from "../../../../../quant/format/platform.ts";

const u280 = platforms.u280!;
const tiny = platforms.tiny!;
const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** A section's bytes found by hand: struct axlf_section_header is kind, name[16], pad, offset, size. */
function sectionBytes(file: Uint8Array, kind: number): Uint8Array {
  const data = view(file);
  for (let i = 0; i < data.getUint32(448, true); i++) {
    const entry = 456 + 40 * i;
    if (data.getUint32(entry, true) !== kind) continue;
    const offset = Number(data.getBigUint64(entry + 24, true));
    return file.subarray(offset, offset + Number(data.getBigUint64(entry + 32, true)));
  }
  throw new Error(`no section ${kind}`);
}

describe("emulation xclbin", () => {
  const file = emulationXclbin(u280);

  it("has the header that struct axlf prescribes", () => {
    const data = view(file);
    expect(Buffer.from(file.subarray(0, 8)).toString("latin1")).toBe("xclbin2\0");
    expect(data.getInt32(8, true)).toBe(-1);
    expect(file.subarray(12, 40).every((byte) => byte === 0xff)).toBe(true);
    expect(data.getBigUint64(304, true)).toBe(BigInt(file.length));
    expect(data.getUint16(332, true)).toBe(5);
    expect(data.getUint32(448, true)).toBe(10);
  });

  it("puts sections on multiples of 8 bytes", () => {
    const data = view(file);
    for (let i = 0; i < 10; i++) expect(data.getBigUint64(456 + 40 * i + 24, true) % 8n).toBe(0n);
  });

  it("writes struct mem_data, struct connection, struct ip_data and struct clock_freq byte by byte", () => {
    const memory = view(sectionBytes(file, 6));
    expect(memory.getInt32(0, true)).toBe(34);
    expect(memory.byteLength).toBe(8 + 34 * 40);
    const third = 8 + 3 * 40;
    expect(memory.getUint8(third)).toBe(6);
    expect(memory.getUint8(third + 1)).toBe(1);
    expect(memory.getBigUint64(third + 8, true)).toBe(262144n);
    expect(memory.getBigUint64(third + 16, true)).toBe(3n * 0x1000_0000n);
    const tag = Buffer.from(sectionBytes(file, 6).subarray(third + 24, third + 40)).toString("latin1");
    expect(tag).toBe("HBM[3]".padEnd(16, "\0"));

    const connections = view(sectionBytes(file, 7));
    // Weights and cache in the 32 channels of HBM, table, io.
    expect(connections.getInt32(0, true)).toBe(66);
    expect(connections.byteLength).toBe(4 + 66 * 12);
    // The last connection: argument 65 (io) of compute unit 0 to memory 33, DDR[1].
    expect([0, 4, 8].map((at) => connections.getInt32(4 + 65 * 12 + at, true))).toEqual([65, 0, 33]);

    const ips = sectionBytes(file, 8);
    expect(view(ips).getInt32(0, true)).toBe(1);
    expect(view(ips).getUint32(8, true)).toBe(1);
    expect(Buffer.from(ips.subarray(24, 24 + 16)).toString("latin1")).toBe("accllm:accllm_1\0");

    const clocks = sectionBytes(file, 11);
    expect(clocks).toHaveLength(138);
    expect(view(clocks).getUint16(2, true)).toBe(225);
  });

  it("is the same for the same platform, and its UUID follows the content", () => {
    expect(emulationXclbin(u280)).toEqual(file);
    const other = parseXclbin(emulationXclbin({ ...u280, clockMHz: 226 }));
    expect(other.uuid).not.toBe(parseXclbin(file).uuid);
  });

  it("says what the platform says", () => {
    const parsed = parseXclbin(file);
    expect(parsed.mode).toBe("sw_emu");
    expect(parsed.platform).toBe("xilinx_u280_gen3x16_xdma_1_202211_1");
    expect(parsed.memories.map(({ tag }) => tag)).toEqual(u280.banks.map(({ name }) => name));
    expect(parsed.memories[33]).toEqual({
      type: "DDR4",
      used: true,
      bytes: 16n * 2n ** 30n,
      base: 0x50_0000_0000n,
      tag: "DDR[1]",
    });
    expect(parsed.kernels).toHaveLength(1);
    expect(parsed.kernels[0]?.instances).toEqual(["accllm_1"]);
    expect(parsed.kernels[0]?.arguments.map(({ name }) => name)).toEqual(
      u280.kernelArguments.map(({ name }) => name),
    );
    expect(parsed.kernels[0]?.arguments[66]).toMatchObject({
      name: "job",
      kind: "scalar",
      type: "uint",
      bytes: 4,
    });
    expect(parsed.clocks).toEqual([{ frequencyMHz: 225, type: "KERNEL", name: "KERNEL_CLK" }]);
    expect(parsed.keyValues).toEqual({ "accllm.abi": String(kernelAbiVersion) });
    expect(parsed.build).toMatchObject({ build_metadata: { xclbin: { generated_by: { name: "accllm" } } } });
  });

  it("marks banks that no argument reaches as unused", () => {
    expect(parseXclbin(emulationXclbin(tiny)).memories.map(({ used }) => used)).toEqual([
      true,
      true,
      true,
      false,
      true,
      true,
    ]);
  });

  it("gives every argument registers of its own", () => {
    const kernel = parseXclbin(file).kernels[0];
    const ranges = (kernel?.arguments ?? []).map(({ offset, bytes }) => [offset, offset + bytes] as const);
    ranges.reduce((end, [begin, next]) => {
      expect(begin).toBeGreaterThanOrEqual(end);
      return next;
    }, 0x10);
  });
});

describe("round trip", () => {
  it.each(Object.values(platforms))("of the emulation xclbin of $name", (platform) => {
    const file = emulationXclbin(platform);
    expect(Buffer.compare(writeXclbin(parseXclbin(file)), file)).toBe(0);
  });

  it("keeps what lies between sections, behind them and in unused header fields", () => {
    const sound = emulationXclbin(tiny);
    const file = new Uint8Array(sound.length + 100);
    file.set(sound);
    file.set(Buffer.from("XCLBIN_MIRROR_DATA_START{}XCLBIN_MIRROR_DATA_END"), sound.length + 8);
    file[320] = 77;
    file[432] = 88;
    file[41] = 99;
    expect(Buffer.compare(writeXclbin(parseXclbin(file)), file)).toBe(0);
  });

  it("keeps bytes in the padding between two sections", () => {
    const { header } = parseXclbin(emulationXclbin(tiny));
    const name = new Uint8Array(16);
    const section = { kind: 20, name, padding: 0, bytes: Uint8Array.of(1, 2, 3) };
    const file = writeXclbin({ header, sections: [section, { ...section, kind: 21 }] });
    file[456 + 80 + 3] = 0xaa;
    const description = parseXclbin(file);
    expect(description.extra).toEqual([{ offset: 539, bytes: Uint8Array.of(0xaa, 0, 0, 0, 0) }]);
    expect(Buffer.compare(writeXclbin(description), file)).toBe(0);
  });

  it("keeps sections that are not understood", () => {
    const parsed = parseXclbin(emulationXclbin(tiny));
    const name = new Uint8Array(16);
    const sections = [
      ...parsed.sections.map(({ offset: _offset, ...section }) => section),
      { kind: 20, name, padding: 5, bytes: Uint8Array.of(1, 2, 3) },
    ];
    const file = writeXclbin({ header: parsed.header, sections });
    const again = parseXclbin(file);
    expect(again.sections.at(-1)).toMatchObject({ kind: 20, padding: 5, bytes: Uint8Array.of(1, 2, 3) });
    expect(Buffer.compare(writeXclbin(again), file)).toBe(0);
  });
});

describe("malformed files", () => {
  const sound = emulationXclbin(tiny);
  const invalid = (bytes: Uint8Array, message: RegExp) =>
    expect(() => parseXclbin(bytes)).toThrowError(
      expect.objectContaining({
        code: "XCLBIN_INVALID",
        exitCode: 3,
        message: expect.stringMatching(message),
      }),
    );
  function changed(change: (data: DataView, bytes: Uint8Array) => void): Uint8Array {
    const copy = sound.slice();
    change(view(copy), copy);
    return copy;
  }
  const sectionEntry = (kind: number) => {
    const data = view(sound);
    for (let i = 0; ; i++) if (data.getUint32(456 + 40 * i, true) === kind) return 456 + 40 * i;
  };

  it("too short, or another magic", () => {
    invalid(new Uint8Array(0), /does not start/);
    invalid(sound.subarray(0, 455), /does not start/);
    invalid(
      changed((_, bytes) => bytes.set(Buffer.from("xclbin1"), 0)),
      /does not start/,
    );
  });

  it("shorter than the header says", () => invalid(sound.subarray(0, sound.length - 1), /cut short/));

  it("a number of sections over the limit, before any is read", () => {
    invalid(
      changed((data) => data.setUint32(448, 0xffffffff, true)),
      /4294967295 sections, the limit is 1024/,
    );
  });

  it("a section outside the file, also where offset and size overflow 64 bits", () => {
    const entry = sectionEntry(sectionKinds.MEM_TOPOLOGY);
    invalid(
      changed((data) => data.setBigUint64(entry + 32, 2n ** 40n, true)),
      /are asked for/,
    );
    invalid(
      changed((data) => data.setBigUint64(entry + 24, 2n ** 64n - 8n, true)),
      /are asked for/,
    );
  });

  it("a count that the section does not hold", () => {
    const { byteOffset } = sectionBytes(sound, sectionKinds.MEM_TOPOLOGY);
    invalid(
      changed((data) => data.setInt32(byteOffset, 7, true)),
      /memory topology has/,
    );
    invalid(
      changed((data) => data.setInt32(byteOffset, -1, true)),
      /-1 entries/,
    );
    invalid(
      changed((data) => data.setInt32(byteOffset, 0x7fffffff, true)),
      /2147483647 entries, the limit is 65536/,
    );
  });

  it("a connection to a memory or compute unit that does not exist", () => {
    const { byteOffset } = sectionBytes(sound, sectionKinds.GROUP_CONNECTIVITY);
    for (const field of [4, 8, 12]) {
      invalid(
        changed((data) => data.setInt32(byteOffset + field, -1, true)),
        /a connection names/,
      );
    }
    invalid(
      changed((data) => data.setInt32(byteOffset + 12, 6, true)),
      /memory 6/,
    );
  });

  it("a memory or clock type that does not exist", () => {
    const { byteOffset } = sectionBytes(sound, sectionKinds.MEM_TOPOLOGY);
    invalid(
      changed((data) => data.setUint8(byteOffset + 8, 99)),
      /memory type 99/,
    );
  });

  it("metadata that is not XML, has no core, or an argument without an index", () => {
    const replace = (from: string, to: string) =>
      Buffer.from(Buffer.from(sound).toString("latin1").replace(from, to), "latin1");
    invalid(replace("</project>", "</projekt>"), /well-formed/);
    invalid(replace("<core ", "<cure ").subarray(0), /well-formed|no <core>/);
    invalid(replace('id="3"', 'id="x"'), /malformed argument/);
    invalid(replace('id="3"', 'id="9"'), /no argument with index 3/);
    invalid(replace('{"key_values"', '("key_values"'), /KEYVALUE_METADATA is not JSON/);
    invalid(replace('{"key_values"', '{"key_valued"'), /list of keys/);
  });

  it("any byte changed: an InputError or a sound result, nothing else", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(sound.length - 1), fc.integer({ min: 0, max: 255 })), {
          minLength: 1,
          maxLength: 8,
        }),
        fc.nat(sound.length),
        fc.boolean(),
        (edits, length, cut) => {
          const bytes = sound.slice();
          for (const [at, value] of edits) bytes[at] = value;
          try {
            parseXclbin(cut ? bytes.subarray(0, length) : bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(InputError);
          }
        },
      ),
      { numRuns: 600 },
    );
  });

  it("sections that overlap are not written", () => {
    const parsed = parseXclbin(sound);
    const sections = parsed.sections.map((section) => ({ ...section, offset: 4096 }));
    expect(() => writeXclbin({ header: parsed.header, sections })).toThrowError(/overlaps/);
  });
});
