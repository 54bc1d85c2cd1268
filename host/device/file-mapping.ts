import { constants } from "node:os";
import { DeviceError } from "../errors.ts";
import type { FileRange, HostMemory } from "./device.ts";
import {
  type Handle,
  lastErrno,
  loadLibrary,
  type MemoryFunctions,
  mapping,
  memoryDeclarations,
  viewOf,
} from "./xrt/binding.ts";

const { errno: numbers } = constants;

let functions: MemoryFunctions | undefined;

function libc(): MemoryFunctions {
  if (functions !== undefined) return functions;
  const library = loadLibrary(null);
  functions = {
    mmap: library.func("mmap", ...memoryDeclarations.mmap) as MemoryFunctions["mmap"],
    munmap: library.func("munmap", ...memoryDeclarations.munmap) as MemoryFunctions["munmap"],
  };
  return functions;
}

/** errno of a file that cannot be mapped and can still be read: its file system's, or the page size's, affair. */
const unmappable = new Set<number>([numbers.EINVAL, numbers.ENODEV, numbers.EACCES, numbers.EPERM]);

const anonymous = mapping.private | mapping.anonymous;

/** Gives addresses back when nothing looks at them any more. */
const addressSpace = new FinalizationRegistry<{ start: Handle; bytes: number }>(({ start, bytes }) => {
  libc().munmap(start, bytes);
});

/**
 * Host memory whose beginning is a piece of a file and whose rest is zero: the file's own pages, read when they are
 * touched and copied only where they are written, which the file does not see. A device takes them as they are.
 */
export class FileMapping implements HostMemory {
  readonly memory: Uint8Array;

  readonly #start: Handle;

  private constructor(start: Handle, bytes: number) {
    const view = viewOf(start, bytes);
    addressSpace.register(view, { start, bytes });
    this.memory = new Uint8Array(view);
    this.#start = start;
  }

  /**
   * @param bytes how long the memory is, at least the piece's length and 1
   * @returns undefined for a file that has to be read instead
   * @throws DeviceError HOST_MEMORY
   */
  static of(range: FileRange, bytes: number): FileMapping | undefined {
    if (range.bytes > bytes) throw new RangeError(`${range.bytes} bytes do not fit into ${bytes}`);
    const { mmap } = libc();
    const start = mmap(null, bytes, mapping.readWrite, anonymous, -1, 0);
    if (start === mapping.failed) throw noMemory(bytes);
    const whole = new FileMapping(start, bytes);
    if (range.bytes === 0) return whole;
    const flags = mapping.private | mapping.fixed;
    const placed = mmap(start, range.bytes, mapping.readWrite, flags, range.descriptor, range.offset);
    if (placed === start) return whole;
    const errno = lastErrno();
    whole.close();
    if (unmappable.has(errno)) return undefined;
    throw noMemory(range.bytes);
  }

  /** Lets go of the file and of all memory; what still looks at it sees zeros. Safe twice. */
  close(): void {
    libc().mmap(this.#start, this.memory.length, mapping.readWrite, anonymous | mapping.fixed, -1, 0);
  }
}

function noMemory(bytes: number): DeviceError {
  return new DeviceError("HOST_MEMORY", `There is no host memory to map ${bytes} bytes.`, {
    hint: "Close other programs; `ulimit -v` and `vm.overcommit_memory` limit it as well.",
  });
}
