/**
 * The container format of AMD's xclbin files, struct axlf in XRT's xclbin.h: a header of 456 bytes, 40 bytes for
 * each section, then the sections, each aligned to 8 bytes. All numbers are little-endian.
 */

export const sectionKinds = {
  BITSTREAM: 0,
  EMBEDDED_METADATA: 2,
  MEM_TOPOLOGY: 6,
  CONNECTIVITY: 7,
  IP_LAYOUT: 8,
  CLOCK_FREQ_TOPOLOGY: 11,
  BUILD_METADATA: 14,
  KEYVALUE_METADATA: 15,
  GROUP_TOPOLOGY: 26,
  GROUP_CONNECTIVITY: 27,
} as const;

/** What a file was built for (enum XCLBIN_MODE). */
export const xclbinModes = [
  "flat",
  "pr",
  "tandem-stage2",
  "tandem-stage2-with-pr",
  "hw_emu",
  "sw_emu",
  "hw_emu-pr",
] as const;
export type XclbinMode = (typeof xclbinModes)[number];

/** Nothing larger is read, whatever a file says. */
export const xclbinLimits = {
  fileBytes: 2 ** 31,
  sections: 1024,
  /** Entries of one count-prefixed section. */
  entries: 65_536,
  /** Bytes of a text section: EMBEDDED_METADATA, BUILD_METADATA, KEYVALUE_METADATA. */
  textBytes: 16 * 2 ** 20,
  kernelArguments: 1024,
} as const;

export const magic = "xclbin2\0";
export const headerBytes = 456;
export const sectionHeaderBytes = 40;
export const sectionAlignment = 8;

/** Byte offsets of header fields. */
export const headerOffsets = {
  signatureLength: 8,
  reserved: 12,
  keyBlock: 40,
  uniqueId: 296,
  length: 304,
  timeStamp: 312,
  featureRomTimeStamp: 320,
  versionPatch: 328,
  versionMajor: 330,
  versionMinor: 331,
  mode: 332,
  actionMask: 334,
  romUuid: 336,
  platform: 352,
  uuid: 416,
  debugBinary: 432,
  sectionCount: 448,
} as const;

/** Sizes of the header's byte fields. */
export const fieldBytes = {
  reserved: 28,
  keyBlock: 256,
  romUuid: 16,
  platform: 64,
  uuid: 16,
  debugBinary: 16,
} as const;

/** Count-prefixed sections: where the entries start and how large each is. */
export const entryLayouts = {
  memory: { first: 8, bytes: 40 },
  connection: { first: 4, bytes: 12 },
  ip: { first: 8, bytes: 80 },
  clock: { first: 2, bytes: 136 },
} as const;

export const memoryTypes = [
  "DDR3",
  "DDR4",
  "DRAM",
  "STREAMING",
  "PREALLOCATED_GLOB",
  "ARE",
  "HBM",
  "BRAM",
  "URAM",
  "STREAMING_CONNECTION",
  "HOST",
  "PS_KERNEL",
] as const;
export type MemoryType = (typeof memoryTypes)[number];

export const clockTypes = ["UNUSED", "DATA", "KERNEL", "SYSTEM"] as const;
export type ClockType = (typeof clockTypes)[number];
