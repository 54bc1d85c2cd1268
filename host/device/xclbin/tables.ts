import { CheckedBytes, fieldText, invalidXclbin, textField } from "./bytes.ts";
import type { Clock, Connection, Ip, Memory } from "./description.ts";
import { clockTypes, entryLayouts, memoryTypes, xclbinLimits } from "./layout.ts";

/** The sections that are a count and an array of structs. */

interface EntryLayout {
  readonly first: number;
  readonly bytes: number;
}

function readEntries<T>(
  section: CheckedBytes,
  layout: EntryLayout,
  count: number,
  read: (entry: CheckedBytes) => T,
): T[] {
  if (count < 0 || count > xclbinLimits.entries) {
    throw invalidXclbin(`a section states ${count} entries, the limit is ${xclbinLimits.entries}`);
  }
  section.slice(layout.first, count * layout.bytes);
  return Array.from({ length: count }, (_, i) =>
    read(new CheckedBytes(section.slice(layout.first + i * layout.bytes, layout.bytes), "an entry")),
  );
}

function known<T>(table: readonly T[], index: number, what: string): T {
  const value = table[index];
  if (value === undefined) throw invalidXclbin(`${what} ${index} is unknown`);
  return value;
}

/** MEM_TOPOLOGY and GROUP_TOPOLOGY. Sizes are in KiB in the file. */
export function readMemories(bytes: Uint8Array): Memory[] {
  const section = new CheckedBytes(bytes, "the memory topology");
  return readEntries(section, entryLayouts.memory, section.i32(0), (entry) => ({
    type: known(memoryTypes, entry.u8(0), "memory type"),
    used: entry.u8(1) !== 0,
    bytes: entry.u64(8) * 1024n,
    base: entry.u64(16),
    tag: fieldText(entry.slice(24, 16)),
  }));
}

/** CONNECTIVITY and GROUP_CONNECTIVITY. */
export function readConnections(bytes: Uint8Array): Connection[] {
  const section = new CheckedBytes(bytes, "the connectivity");
  return readEntries(section, entryLayouts.connection, section.i32(0), (entry) => ({
    argument: entry.i32(0),
    ip: entry.i32(4),
    memory: entry.i32(8),
  }));
}

/** IP_LAYOUT. */
export function readIps(bytes: Uint8Array): Ip[] {
  const section = new CheckedBytes(bytes, "the IP layout");
  return readEntries(section, entryLayouts.ip, section.i32(0), (entry) => ({
    type: entry.u32(0),
    properties: entry.u32(4),
    base: entry.u64(8),
    name: fieldText(entry.slice(16, 64)),
  }));
}

/** CLOCK_FREQ_TOPOLOGY. */
export function readClocks(bytes: Uint8Array): Clock[] {
  const section = new CheckedBytes(bytes, "the clock topology");
  return readEntries(section, entryLayouts.clock, section.i16(0), (entry) => ({
    frequencyMHz: entry.u16(0),
    type: known(clockTypes, entry.u8(2), "clock type"),
    name: fieldText(entry.slice(8, 128)),
  }));
}

/** A section of `count` entries; the count itself is `countBytes` wide. */
function writeEntries<T>(
  entries: readonly T[],
  layout: EntryLayout,
  countBytes: 2 | 4,
  write: (view: DataView, entry: T, bytes: Uint8Array) => void,
): Uint8Array {
  const out = new Uint8Array(layout.first + entries.length * layout.bytes);
  const view = new DataView(out.buffer);
  if (countBytes === 2) view.setInt16(0, entries.length, true);
  else view.setInt32(0, entries.length, true);
  entries.forEach((entry, i) => {
    const begin = layout.first + i * layout.bytes;
    write(new DataView(out.buffer, begin, layout.bytes), entry, out.subarray(begin, begin + layout.bytes));
  });
  return out;
}

export function writeMemories(memories: readonly Memory[]): Uint8Array {
  return writeEntries(memories, entryLayouts.memory, 4, (view, memory, bytes) => {
    view.setUint8(0, memoryTypes.indexOf(memory.type));
    view.setUint8(1, memory.used ? 1 : 0);
    view.setBigUint64(8, memory.bytes / 1024n, true);
    view.setBigUint64(16, memory.base, true);
    bytes.set(textField(memory.tag, 16), 24);
  });
}

export function writeConnections(connections: readonly Connection[]): Uint8Array {
  return writeEntries(connections, entryLayouts.connection, 4, (view, connection) => {
    view.setInt32(0, connection.argument, true);
    view.setInt32(4, connection.ip, true);
    view.setInt32(8, connection.memory, true);
  });
}

export function writeIps(ips: readonly Ip[]): Uint8Array {
  return writeEntries(ips, entryLayouts.ip, 4, (view, ip, bytes) => {
    view.setUint32(0, ip.type, true);
    view.setUint32(4, ip.properties, true);
    view.setBigUint64(8, ip.base, true);
    bytes.set(textField(ip.name, 64), 16);
  });
}

export function writeClocks(clocks: readonly Clock[]): Uint8Array {
  return writeEntries(clocks, entryLayouts.clock, 2, (view, clock, bytes) => {
    view.setUint16(0, clock.frequencyMHz, true);
    view.setUint8(2, clockTypes.indexOf(clock.type));
    bytes.set(textField(clock.name, 128), 8);
  });
}
