import { fieldText, invalidXclbin, uuidText } from "./bytes.ts";
import { readContainer } from "./container.ts";
import type { Connection, Xclbin } from "./description.ts";
import { sectionKinds, xclbinModes } from "./layout.ts";
import { readJson, readKernels, readKeyValues } from "./metadata.ts";
import { readClocks, readConnections, readIps, readMemories } from "./tables.ts";

function requireIndices(connections: readonly Connection[], ips: number, memories: number): void {
  for (const { argument, ip, memory } of connections) {
    if (argument < 0 || ip < 0 || ip >= ips || memory < 0 || memory >= memories) {
      throw invalidXclbin(`a connection names argument ${argument}, compute unit ${ip} and memory ${memory}`);
    }
  }
}

/**
 * Reads an xclbin file. Byte fields are views on `bytes`; `writeXclbin` of the result gives the same bytes.
 * @throws InputError XCLBIN_INVALID naming what is wrong.
 */
export function parseXclbin(bytes: Uint8Array): Xclbin {
  const description = readContainer(bytes);
  const section = (kind: number) => description.sections.find((s) => s.kind === kind)?.bytes;
  const read = <T>(kind: number, reader: (bytes: Uint8Array) => T): T | undefined => {
    const found = section(kind);
    return found === undefined ? undefined : reader(found);
  };
  const memories = read(sectionKinds.MEM_TOPOLOGY, readMemories) ?? [];
  const groups = read(sectionKinds.GROUP_TOPOLOGY, readMemories) ?? memories;
  const ips = read(sectionKinds.IP_LAYOUT, readIps) ?? [];
  const connections = read(sectionKinds.CONNECTIVITY, readConnections) ?? [];
  const groupConnections = read(sectionKinds.GROUP_CONNECTIVITY, readConnections) ?? connections;
  requireIndices(connections, ips.length, memories.length);
  requireIndices(groupConnections, ips.length, groups.length);
  return {
    ...description,
    uuid: uuidText(description.header.uuid),
    platform: fieldText(description.header.platform),
    mode: xclbinModes[description.header.mode] ?? `unknown (${description.header.mode})`,
    memories,
    groups,
    connections,
    groupConnections,
    ips,
    clocks: read(sectionKinds.CLOCK_FREQ_TOPOLOGY, readClocks) ?? [],
    kernels: read(sectionKinds.EMBEDDED_METADATA, readKernels) ?? [],
    keyValues: read(sectionKinds.KEYVALUE_METADATA, readKeyValues) ?? {},
    build: read(sectionKinds.BUILD_METADATA, (json) => readJson(json, "BUILD_METADATA")),
  };
}
