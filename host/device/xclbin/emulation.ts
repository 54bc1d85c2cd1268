import { createHash } from "node:crypto";
import {
  computeUnitName,
  kernelAbiVersion,
  kernelName,
  type Platform,
} from "../../../quant/format/platform.ts";
import { textField } from "./bytes.ts";
import { writeXclbin } from "./container.ts";
import type {
  Connection,
  KernelArgumentMetadata,
  Memory,
  XclbinHeader,
  XclbinSection,
} from "./description.ts";
import { fieldBytes, headerOffsets, sectionKinds, xclbinModes } from "./layout.ts";
import { writeKernels, writeKeyValues } from "./metadata.ts";
import { writeClocks, writeConnections, writeIps, writeMemories } from "./tables.ts";

/** Key in KEYVALUE_METADATA that states the version of the kernel's interface. */
export const abiKey = "accllm.abi";

const registerBase = 0x180_0000n;
const firstArgumentOffset = 0x10;
/** Vitis places each argument's registers at the next 12-byte step for pointers and 8 for scalars. */
const argumentStride = { memory: 12, scalar: 8 } as const;
const ipTypeKernel = 1;
/** m_int_enable, and AP_CTRL_CHAIN in the control protocol's bits. */
const ipProperties = 0x0001 | (1 << 8);

function kernelArguments(platform: Platform): KernelArgumentMetadata[] {
  let offset = firstArgumentOffset;
  return platform.kernelArguments.map((argument) => {
    const at = offset;
    offset += argumentStride[argument.kind];
    return argument.kind === "memory"
      ? {
          name: argument.name,
          kind: "memory",
          type: "void*",
          port: `M_AXI_${argument.name.toUpperCase()}`,
          offset: at,
          bytes: 8,
        }
      : { name: argument.name, kind: "scalar", type: "uint", port: "S_AXI_CONTROL", offset: at, bytes: 4 };
  });
}

function memories(platform: Platform): Memory[] {
  const connected = new Set(platform.kernelArguments.map((a) => (a.kind === "memory" ? a.bank : -1)));
  return platform.banks.map((bank, i) => ({
    type: bank.name.startsWith("HBM") ? "HBM" : "DDR4",
    used: connected.has(i),
    bytes: BigInt(bank.bytes),
    base: bank.base,
    tag: bank.name,
  }));
}

function section(name: keyof typeof sectionKinds, bytes: Uint8Array): XclbinSection {
  // The name field is for people; 15 characters of it.
  return { kind: sectionKinds[name], name: textField(name.slice(0, 15), 16), padding: 0, bytes };
}

function header(platform: Platform, uuid: Uint8Array): XclbinHeader {
  return {
    signatureLength: -1,
    reserved: new Uint8Array(fieldBytes.reserved).fill(0xff),
    keyBlock: new Uint8Array(fieldBytes.keyBlock),
    uniqueId: 0n,
    timeStamp: 0n,
    featureRomTimeStamp: 0n,
    version: { major: 2, minor: 13, patch: 0 },
    mode: xclbinModes.indexOf("sw_emu"),
    actionMask: 0,
    romUuid: new Uint8Array(fieldBytes.romUuid),
    platform: textField(platform.shell || `accllm_${platform.name}_emulation`, fieldBytes.platform),
    uuid,
    debugBinary: new Uint8Array(fieldBytes.debugBinary),
  };
}

/** SHA-256 of the file with an empty UUID, cut to 16 bytes and marked as version 8 (custom) of RFC 9562. */
function contentUuid(file: Uint8Array): Uint8Array {
  const uuid = new Uint8Array(createHash("sha256").update(file).digest().subarray(0, 16));
  uuid[6] = ((uuid[6] ?? 0) & 0x0f) | 0x80;
  uuid[8] = ((uuid[8] ?? 0) & 0x3f) | 0x80;
  return uuid;
}

/**
 * The software emulation xclbin (mode 5) of kernel `accllm` for a platform: the metadata that the hardware one
 * carries, and no bitstream. The same platform gives the same bytes and the same UUID.
 */
export function emulationXclbin(platform: Platform): Uint8Array {
  const topology = writeMemories(memories(platform));
  const connections: Connection[] = platform.kernelArguments.flatMap((argument, i) =>
    argument.kind === "memory" ? [{ argument: i, ip: 0, memory: argument.bank }] : [],
  );
  const connectivity = writeConnections(connections);
  const metadata = writeKernels(
    {
      name: kernelName,
      platform: platform.shell || platform.name,
      target: "csim",
      clockMHz: platform.clockMHz,
      registerBase,
    },
    [{ name: kernelName, arguments: kernelArguments(platform), instances: [computeUnitName] }],
  );
  const ips = [
    {
      type: ipTypeKernel,
      properties: ipProperties,
      base: registerBase,
      name: `${kernelName}:${computeUnitName}`,
    },
  ];
  const clocks = [{ frequencyMHz: platform.clockMHz, type: "KERNEL", name: "KERNEL_CLK" } as const];
  const build = {
    build_metadata: { xclbin: { generated_by: { name: "accllm", options: `--platform ${platform.name}` } } },
  };
  const sections = [
    section("BITSTREAM", new TextEncoder().encode("accllm: software emulation, no bitstream\n")),
    section("EMBEDDED_METADATA", metadata),
    section("MEM_TOPOLOGY", topology),
    section("CONNECTIVITY", connectivity),
    section("IP_LAYOUT", writeIps(ips)),
    section("CLOCK_FREQ_TOPOLOGY", writeClocks(clocks)),
    section("BUILD_METADATA", new TextEncoder().encode(JSON.stringify(build))),
    section("KEYVALUE_METADATA", writeKeyValues({ [abiKey]: String(kernelAbiVersion) })),
    section("GROUP_TOPOLOGY", topology),
    section("GROUP_CONNECTIVITY", connectivity),
  ];
  const file = writeXclbin({ header: header(platform, new Uint8Array(fieldBytes.uuid)), sections });
  file.set(contentUuid(file), headerOffsets.uuid);
  return file;
}
