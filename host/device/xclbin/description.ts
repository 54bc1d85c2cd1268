import type { ClockType, MemoryType } from "./layout.ts";

/** Header fields that are kept as they are. */
export interface XclbinHeader {
  /** Bytes of a signature behind the sections; -1 without one. */
  readonly signatureLength: number;
  readonly reserved: Uint8Array;
  readonly keyBlock: Uint8Array;
  readonly uniqueId: bigint;
  /** Seconds since 1970. */
  readonly timeStamp: bigint;
  readonly featureRomTimeStamp: bigint;
  readonly version: { readonly major: number; readonly minor: number; readonly patch: number };
  /** Number of the mode, an index into xclbinModes. */
  readonly mode: number;
  readonly actionMask: number;
  readonly romUuid: Uint8Array;
  /** Name of the platform ("VBNV"), the whole 64-byte field. */
  readonly platform: Uint8Array;
  readonly uuid: Uint8Array;
  readonly debugBinary: Uint8Array;
}

/** A section as it lies in the file. */
export interface XclbinSection {
  readonly kind: number;
  /** The whole 16-byte field. */
  readonly name: Uint8Array;
  /** The four bytes between name and offset that C's alignment leaves; usually zero. */
  readonly padding: number;
  /** Byte offset in the file; chosen by the writer when absent. */
  readonly offset?: number;
  readonly bytes: Uint8Array;
}

/** Everything that makes up a file, so that writing what was read gives the same bytes. */
export interface XclbinDescription {
  readonly header: XclbinHeader;
  readonly sections: readonly XclbinSection[];
  /** Bytes other than zero that no header and no section covers: mirrored metadata, a signature. */
  readonly extra?: readonly { readonly offset: number; readonly bytes: Uint8Array }[];
  /** Length of the file and the length that its header states, where they are more than the parts need. */
  readonly fileBytes?: number;
  readonly statedBytes?: bigint;
}

/** An entry of MEM_TOPOLOGY or GROUP_TOPOLOGY. */
export interface Memory {
  readonly type: MemoryType;
  readonly used: boolean;
  readonly bytes: bigint;
  readonly base: bigint;
  /** "HBM[0]", "DDR[1]". */
  readonly tag: string;
}

/** Argument `argument` of compute unit `ip` reaches memory `memory`. All three are indices. */
export interface Connection {
  readonly argument: number;
  readonly ip: number;
  readonly memory: number;
}

/** An entry of IP_LAYOUT. */
export interface Ip {
  /** enum IP_TYPE; 1 is a kernel instance. */
  readonly type: number;
  readonly properties: number;
  readonly base: bigint;
  /** "kernel:instance". */
  readonly name: string;
}

export interface Clock {
  readonly frequencyMHz: number;
  readonly type: ClockType;
  readonly name: string;
}

export interface KernelArgumentMetadata {
  readonly name: string;
  /** addressQualifier: 0 scalar, 1 memory, 2 constant, 3 local, 4 stream. */
  readonly kind: "memory" | "scalar" | "other";
  readonly type: string;
  readonly port: string;
  /** In the kernel's register space. */
  readonly offset: number;
  readonly bytes: number;
}

export interface KernelMetadata {
  readonly name: string;
  readonly arguments: readonly KernelArgumentMetadata[];
  /** Names of the compute units. */
  readonly instances: readonly string[];
}

/** A file and what its sections say. */
export interface Xclbin extends XclbinDescription {
  readonly uuid: string;
  readonly platform: string;
  readonly mode: string;
  readonly memories: readonly Memory[];
  readonly groups: readonly Memory[];
  readonly connections: readonly Connection[];
  /** GROUP_CONNECTIVITY, or CONNECTIVITY where a file has none; `memory` is an index into `groups`. */
  readonly groupConnections: readonly Connection[];
  readonly ips: readonly Ip[];
  readonly clocks: readonly Clock[];
  readonly kernels: readonly KernelMetadata[];
  /** KEYVALUE_METADATA. */
  readonly keyValues: Readonly<Record<string, string>>;
  /** BUILD_METADATA, JSON as it is; undefined when absent. */
  readonly build: unknown;
}
