/**
 * XRT's native C API (libxrt_coreutil.so.2), what the emulator exports beside it, and the functions of the process
 * itself that Node.js has no call for: types and declarations, no logic. The only file of the host that imports koffi.
 */
import koffi from "koffi";

/** An opaque handle; null is an error. */
export type Handle = bigint;

/** enum ert_cmd_state. */
export const runStates = {
  new: 1,
  queued: 2,
  running: 3,
  completed: 4,
  error: 5,
  abort: 6,
  submitted: 7,
  timeout: 8,
  noResponse: 9,
} as const;

/** enum xclBOSyncDirection. */
export const syncDirections = { toDevice: 0, fromDevice: 1 } as const;

/** Kinds of accllmEmuSetFault. */
export const faultKinds = {
  none: 0,
  runHangs: 1,
  runFails: 2,
  bitFlip: 3,
  outOfMemory: 4,
  deviceLost: 5,
  eccError: 6,
  loadRefused: 7,
  loadBusy: 8,
  crash: 9,
} as const;

export interface XrtFunctions {
  xrtDeviceOpen(index: number): Handle | null;
  xrtDeviceOpenByBDF(bdf: string): Handle | null;
  xrtDeviceClose(device: Handle): number;
  xrtDeviceLoadXclbinFile(device: Handle, path: string): number;
  xrtDeviceGetXclbinUUID(device: Handle, out: Uint8Array): number;
  xrtPLKernelOpen(device: Handle, uuid: Uint8Array, name: string): Handle | null;
  xrtKernelClose(kernel: Handle): number;
  xrtKernelArgGroupId(kernel: Handle, index: number): number;
  xrtBOAlloc(device: Handle, bytes: number, flags: number, group: number): Handle | null;
  xrtBOAllocUserPtr(
    device: Handle,
    memory: bigint,
    bytes: number,
    flags: number,
    group: number,
  ): Handle | null;
  /** A range of a buffer; frees before it. */
  xrtBOSubAlloc(buffer: Handle, bytes: number, offset: number): Handle | null;
  xrtBOFree(buffer: Handle): number;
  xrtBOSize(buffer: Handle): number;
  /** See {@link viewOf}. */
  xrtBOMap(buffer: Handle): Handle | null;
  xrtBOWrite(buffer: Handle, source: Uint8Array, bytes: number, offset: number): number;
  xrtBORead(buffer: Handle, target: Uint8Array, bytes: number, offset: number): number;
  xrtBOAddress(buffer: Handle): bigint | number;
  xrtBOSync: ((buffer: Handle, direction: number, bytes: number, offset: number) => number) & {
    async(
      buffer: Handle,
      direction: number,
      bytes: number,
      offset: number,
      done: (error: unknown, result: number) => void,
    ): void;
  };
  xrtRunOpen(kernel: Handle): Handle | null;
  /** Variadic: the C type of the value, then the value. */
  xrtRunSetArg(run: Handle, index: number, type: "void *" | "uint32_t", value: Handle | number): number;
  xrtRunStart(run: Handle): number;
  xrtRunWaitFor: ((run: Handle, milliseconds: number) => number) & {
    async(run: Handle, milliseconds: number, done: (error: unknown, state: number) => void): void;
  };
  xrtRunState(run: Handle): number;
  xrtRunClose(run: Handle): number;
}

export interface EmulatorFunctions {
  accllmEmuRunAbort(run: Handle): number;
  accllmEmuLastError(): string;
  accllmEmuSetEngine(device: Handle, name: string): number;
  accllmEmuSetFault(device: Handle, kind: number, address: bigint, bit: number): number;
  accllmEmuEccErrors(device: Handle): bigint | number;
  /** In whole pages. */
  accllmEmuTakeFile(buffer: Handle, file: number, offset: number, bytes: number): number;
}

export interface GuardFunctions {
  accllmGuardInstall(descriptor: number, before: string, after: string): void;
}

/** Of libc. */
export interface MemoryFunctions {
  mmap(
    address: Handle | null,
    bytes: number,
    protection: number,
    flags: number,
    descriptor: number,
    offset: number,
  ): Handle;
  munmap(address: Handle, bytes: number): number;
}

/** Of the OpenSSL inside Node.js, which exports it for native code; absent where a distribution links it otherwise. */
export interface DigestFunctions {
  SHA256: {
    async(
      memory: Handle,
      bytes: number,
      out: Uint8Array,
      done: (error: unknown, digest: Handle | null) => void,
    ): void;
  };
}

/** Arguments of mmap on Linux, and what it returns on an error. */
export const mapping = {
  readWrite: 0x1 | 0x2,
  private: 0x02,
  fixed: 0x10,
  anonymous: 0x20,
  failed: 2n ** 64n - 1n,
} as const;

type Declarations<Functions> = Readonly<
  Record<keyof Functions, readonly [result: string, parameters: readonly string[]]>
>;

export const xrtDeclarations: Declarations<XrtFunctions> = {
  xrtDeviceOpen: ["void *", ["unsigned int"]],
  xrtDeviceOpenByBDF: ["void *", ["const char *"]],
  xrtDeviceClose: ["int", ["void *"]],
  xrtDeviceLoadXclbinFile: ["int", ["void *", "const char *"]],
  xrtDeviceGetXclbinUUID: ["int", ["void *", "_Out_ uint8_t *"]],
  xrtPLKernelOpen: ["void *", ["void *", "const uint8_t *", "const char *"]],
  xrtKernelClose: ["int", ["void *"]],
  xrtKernelArgGroupId: ["int", ["void *", "int"]],
  xrtBOAlloc: ["void *", ["void *", "size_t", "uint64_t", "uint32_t"]],
  xrtBOAllocUserPtr: ["void *", ["void *", "void *", "size_t", "uint64_t", "uint32_t"]],
  xrtBOSubAlloc: ["void *", ["void *", "size_t", "size_t"]],
  xrtBOFree: ["int", ["void *"]],
  xrtBOSize: ["size_t", ["void *"]],
  xrtBOMap: ["void *", ["void *"]],
  xrtBOWrite: ["int", ["void *", "const uint8_t *", "size_t", "size_t"]],
  xrtBORead: ["int", ["void *", "_Out_ uint8_t *", "size_t", "size_t"]],
  xrtBOAddress: ["uint64_t", ["void *"]],
  xrtBOSync: ["int", ["void *", "int", "size_t", "size_t"]],
  xrtRunOpen: ["void *", ["void *"]],
  xrtRunSetArg: ["int", ["void *", "int", "..."]],
  xrtRunStart: ["int", ["void *"]],
  xrtRunWaitFor: ["int", ["void *", "unsigned int"]],
  xrtRunState: ["int", ["void *"]],
  xrtRunClose: ["int", ["void *"]],
};

export const emulatorDeclarations: Declarations<EmulatorFunctions> = {
  accllmEmuRunAbort: ["int", ["void *"]],
  accllmEmuLastError: ["const char *", []],
  accllmEmuSetEngine: ["int", ["void *", "const char *"]],
  accllmEmuSetFault: ["int", ["void *", "uint32_t", "uint64_t", "uint32_t"]],
  accllmEmuEccErrors: ["uint64_t", ["void *"]],
  accllmEmuTakeFile: ["int", ["void *", "int", "size_t", "size_t"]],
};

export const guardDeclarations: Declarations<GuardFunctions> = {
  accllmGuardInstall: ["void", ["int", "const char *", "const char *"]],
};

export const memoryDeclarations: Declarations<MemoryFunctions> = {
  mmap: ["void *", ["void *", "size_t", "int", "int", "int", "int64_t"]],
  munmap: ["int", ["void *", "size_t"]],
};

export const digestDeclarations: Declarations<DigestFunctions> = {
  SHA256: ["void *", ["void *", "size_t", "_Out_ uint8_t *"]],
};

export interface NativeLibrary {
  func(name: string, result: string, parameters: readonly string[]): unknown;
}

/** dlopen, of the process itself for null; throws when the library cannot be loaded. */
export const loadLibrary = koffi.load as (path: string | null) => NativeLibrary;
/** errno after the last call. */
export const lastErrno = koffi.errno as () => number;
/** Address of the first byte. */
export const addressOf = koffi.address as (memory: Uint8Array) => bigint;
/** `bytes` of native memory, not copied; valid as long as what it belongs to. */
export const viewOf = koffi.view as (address: Handle, bytes: number) => ArrayBuffer;
