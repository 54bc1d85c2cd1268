import { CheckedBytes, fieldText, invalidXclbin } from "./bytes.ts";
import type { XclbinDescription, XclbinHeader, XclbinSection } from "./description.ts";
import {
  headerOffsets as at,
  fieldBytes,
  headerBytes,
  magic,
  sectionAlignment,
  sectionHeaderBytes,
  xclbinLimits,
} from "./layout.ts";

function readHeader(file: CheckedBytes): XclbinHeader {
  return {
    signatureLength: file.i32(at.signatureLength),
    reserved: file.slice(at.reserved, fieldBytes.reserved),
    keyBlock: file.slice(at.keyBlock, fieldBytes.keyBlock),
    uniqueId: file.u64(at.uniqueId),
    timeStamp: file.u64(at.timeStamp),
    featureRomTimeStamp: file.u64(at.featureRomTimeStamp),
    version: {
      major: file.u8(at.versionMajor),
      minor: file.u8(at.versionMinor),
      patch: file.u16(at.versionPatch),
    },
    mode: file.u16(at.mode),
    actionMask: file.u16(at.actionMask),
    romUuid: file.slice(at.romUuid, fieldBytes.romUuid),
    platform: file.slice(at.platform, fieldBytes.platform),
    uuid: file.slice(at.uuid, fieldBytes.uuid),
    debugBinary: file.slice(at.debugBinary, fieldBytes.debugBinary),
  };
}

function readSections(file: CheckedBytes): XclbinSection[] {
  const count = file.u32(at.sectionCount);
  if (count > xclbinLimits.sections) {
    throw invalidXclbin(`it states ${count} sections, the limit is ${xclbinLimits.sections}`);
  }
  return Array.from({ length: count }, (_, i) => {
    const entry = headerBytes + i * sectionHeaderBytes;
    const offset = file.u64(entry + 24);
    return {
      kind: file.u32(entry),
      name: file.slice(entry + 4, 16),
      padding: file.u32(entry + 20),
      offset: Number(offset),
      bytes: file.slice(offset, file.u64(entry + 32)),
    };
  });
}

/** Byte ranges in no part of the file, cut to what is not zero. */
function readExtra(file: Uint8Array, sections: readonly XclbinSection[]) {
  const ranges = sections.map((s) => ({ begin: s.offset ?? 0, end: (s.offset ?? 0) + s.bytes.length }));
  ranges.push({ begin: 0, end: headerBytes + sections.length * sectionHeaderBytes });
  ranges.push({ begin: file.length, end: file.length });
  ranges.sort((a, b) => a.begin - b.begin);
  const extra: { offset: number; bytes: Uint8Array }[] = [];
  let covered = 0;
  for (const { begin, end } of ranges) {
    const bytes = file.subarray(covered, Math.max(covered, begin));
    if (bytes.some((byte) => byte !== 0)) extra.push({ offset: covered, bytes });
    covered = Math.max(covered, end);
  }
  return extra;
}

/**
 * Splits a file into header and sections. Nothing is copied: byte fields are views on `bytes`.
 * @throws InputError XCLBIN_INVALID when a size or an offset contradicts the file or a limit.
 */
export function readContainer(bytes: Uint8Array): XclbinDescription {
  if (bytes.length > xclbinLimits.fileBytes)
    throw invalidXclbin(`it is over ${xclbinLimits.fileBytes} bytes`);
  const file = new CheckedBytes(bytes, "the file");
  if (bytes.length < headerBytes || Buffer.from(file.slice(0, 8)).toString("latin1") !== magic) {
    throw invalidXclbin("it does not start with 'xclbin2'");
  }
  const statedBytes = file.u64(at.length);
  if (statedBytes > BigInt(bytes.length)) {
    throw invalidXclbin(
      `its header states ${statedBytes} bytes, but it has ${bytes.length}; it is cut short`,
    );
  }
  const sections = readSections(file);
  return {
    header: readHeader(file),
    sections,
    extra: readExtra(bytes, sections),
    fileBytes: bytes.length,
    statedBytes,
  };
}

function align(offset: number): number {
  return Math.ceil(offset / sectionAlignment) * sectionAlignment;
}

function writeHeader(
  view: DataView,
  out: Uint8Array,
  header: XclbinHeader,
  sections: number,
  length: bigint,
): void {
  out.set(new TextEncoder().encode(magic), 0);
  view.setInt32(at.signatureLength, header.signatureLength, true);
  const fields = ["reserved", "keyBlock", "romUuid", "platform", "uuid", "debugBinary"] as const;
  for (const field of fields) {
    if (header[field].length !== fieldBytes[field]) {
      throw invalidXclbin(
        `header field ${field} has ${header[field].length} bytes instead of ${fieldBytes[field]}`,
      );
    }
    out.set(header[field], at[field]);
  }
  view.setBigUint64(at.uniqueId, header.uniqueId, true);
  view.setBigUint64(at.length, length, true);
  view.setBigUint64(at.timeStamp, header.timeStamp, true);
  view.setBigUint64(at.featureRomTimeStamp, header.featureRomTimeStamp, true);
  view.setUint16(at.versionPatch, header.version.patch, true);
  view.setUint8(at.versionMajor, header.version.major);
  view.setUint8(at.versionMinor, header.version.minor);
  view.setUint16(at.mode, header.mode, true);
  view.setUint16(at.actionMask, header.actionMask, true);
  view.setUint32(at.sectionCount, sections, true);
}

/**
 * Puts a file together: sections in the order given, at their own offsets or one behind the other.
 * @throws InputError XCLBIN_INVALID when sections overlap or a byte field has the wrong size.
 */
export function writeXclbin(description: XclbinDescription): Uint8Array {
  const { header, sections, extra = [] } = description;
  const tableEnd = headerBytes + sections.length * sectionHeaderBytes;
  let next = tableEnd;
  const placed = sections.map((section) => {
    const offset = section.offset ?? align(next);
    next = Math.max(next, offset + section.bytes.length);
    return { ...section, offset };
  });
  const sorted = placed.filter((s) => s.bytes.length > 0).sort((a, b) => a.offset - b.offset);
  let covered = tableEnd;
  for (const section of sorted) {
    if (section.offset < covered) {
      throw invalidXclbin(
        `section ${section.kind} (${fieldText(section.name)}) overlaps what lies before it`,
      );
    }
    covered = section.offset + section.bytes.length;
  }
  const needed = Math.max(align(next), ...extra.map((part) => part.offset + part.bytes.length));
  const total = description.fileBytes ?? needed;
  const out = new Uint8Array(total);
  const view = new DataView(out.buffer);
  writeHeader(view, out, header, sections.length, description.statedBytes ?? BigInt(total));
  placed.forEach((section, i) => {
    const entry = headerBytes + i * sectionHeaderBytes;
    view.setUint32(entry, section.kind, true);
    out.set(section.name, entry + 4);
    view.setUint32(entry + 20, section.padding, true);
    view.setBigUint64(entry + 24, BigInt(section.offset), true);
    view.setBigUint64(entry + 32, BigInt(section.bytes.length), true);
    out.set(section.bytes, section.offset);
  });
  for (const part of extra) out.set(part.bytes, part.offset);
  return out;
}
