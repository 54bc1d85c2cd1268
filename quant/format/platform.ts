/**
 * Platforms: memory banks, kernel ports and the bank each port is connected to. The emulation xclbin, the link
 * configuration, the planner and the emulator all read this one table.
 */

/** A memory bank as MEM_TOPOLOGY lists it; the index in {@link Platform.banks} is the bank's index there. */
export interface Bank {
  readonly name: string;
  readonly bytes: number;
  /** First address in the device's address space. */
  readonly base: bigint;
}

/** One argument of the kernel `accllm`, in the order of its index. */
export type PortArgument =
  | { readonly name: string; readonly kind: "memory"; readonly bank: number }
  | { readonly name: string; readonly kind: "scalar" };

export interface Platform {
  readonly name: string;
  /** Name of AMD's shell that v++ builds for; empty where no card exists. */
  readonly shell: string;
  /** HBM channels that stream weights, a 512-bit port each. */
  readonly weightChannels: number;
  /** HBM channels that hold the KV cache. */
  readonly kvChannels: number;
  readonly banks: readonly Bank[];
  readonly kernelArguments: readonly PortArgument[];
  readonly clockMHz: number;
  /** Peak bandwidth of one HBM channel in bytes per second. */
  readonly channelBytesPerSecond: number;
}

export const kernelName = "accllm";
export const computeUnitName = "accllm_1";
/** Version of the command stream and of the job header; kernel and host refuse each other when it differs. */
export const kernelAbiVersion = 2;

const mebibyte = 1024 * 1024;
const gibibyte = 1024 * mebibyte;

function hbm(count: number, bytes: number): Bank[] {
  return Array.from({ length: count }, (_, i) => ({
    name: `HBM[${i}]`,
    bytes,
    base: BigInt(i) * BigInt(bytes),
  }));
}

function ddr(count: number): Bank[] {
  return Array.from({ length: count }, (_, i) => ({
    name: `DDR[${i}]`,
    bytes: 16 * gibibyte,
    base: 0x40_0000_0000n + BigInt(i) * 0x10_0000_0000n,
  }));
}

/** @param firstKv bank of the first cache channel; within the weights' banks, both share a port of the kernel */
function ports(weights: number, kv: number, firstKv: number, table: number, io: number): PortArgument[] {
  return [
    ...Array.from({ length: weights }, (_, i) => ({ name: `w${i}`, kind: "memory", bank: i }) as const),
    ...Array.from({ length: kv }, (_, i) => ({ name: `kv${i}`, kind: "memory", bank: firstKv + i }) as const),
    { name: "table", kind: "memory", bank: table },
    { name: "io", kind: "memory", bank: io },
    { name: "job", kind: "scalar" },
  ];
}

export const platforms: Readonly<Record<string, Platform>> = {
  u280: {
    name: "u280",
    shell: "xilinx_u280_gen3x16_xdma_1_202211_1",
    // Weights and cache share all channels: whichever is read has the whole bandwidth (docs/timing.md).
    weightChannels: 32,
    kvChannels: 32,
    banks: [...hbm(32, 256 * mebibyte), ...ddr(2)],
    kernelArguments: ports(32, 32, 0, 32, 33),
    clockMHz: 225,
    channelBytesPerSecond: 14.375e9,
  },
  u55c: {
    name: "u55c",
    shell: "xilinx_u55c_gen3x16_xdma_3_202210_1",
    // No DDR: table and io take two channels. Sixteen divide the heads of the usual models evenly.
    weightChannels: 30,
    kvChannels: 16,
    banks: hbm(32, 512 * mebibyte),
    kernelArguments: ports(30, 16, 0, 30, 31),
    clockMHz: 225,
    channelBytesPerSecond: 14.375e9,
  },
  /** Two weight channels and one KV channel: small enough that a test sees every channel and every edge. */
  tiny: {
    name: "tiny",
    shell: "",
    weightChannels: 2,
    kvChannels: 1,
    banks: [...hbm(4, 256 * mebibyte), ...ddr(2)],
    kernelArguments: ports(2, 1, 2, 4, 5),
    clockMHz: 225,
    channelBytesPerSecond: 14.375e9,
  },
};
