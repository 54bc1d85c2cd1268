import { constants } from "node:os";
import { DeviceError } from "../../errors.ts";
import {
  type EmulatorFunctions,
  emulatorDeclarations,
  lastErrno,
  loadLibrary,
  type NativeLibrary,
  type XrtFunctions,
  xrtDeclarations,
} from "./binding.ts";

/** A loaded library with XRT's C API: XRT itself or the emulator. */
export interface XrtLibrary {
  readonly path: string;
  readonly xrt: XrtFunctions;
  /** What only the emulator exports; undefined on XRT. */
  readonly emulator: EmulatorFunctions | undefined;
}

const loaded = new Map<string, XrtLibrary>();

function bind<Functions>(
  library: NativeLibrary,
  path: string,
  declarations: Readonly<Record<string, readonly [string, readonly string[]]>>,
): Functions {
  const functions: Record<string, unknown> = {};
  for (const [name, [result, parameters]] of Object.entries(declarations)) {
    try {
      functions[name] = library.func(name, result, parameters);
    } catch (cause) {
      throw new DeviceError("XRT_SYMBOL_MISSING", `The library ${path} has no function ${name}.`, {
        hint: "Install XRT 2.13 (2022.1) or newer; for the emulator, run `npm run build` again.",
        cause,
      });
    }
  }
  return functions as Functions;
}

/**
 * Loads a library and looks up every symbol; a second call returns the same object.
 * @throws DeviceError XRT_LIBRARY_NOT_LOADED, XRT_SYMBOL_MISSING.
 */
export function openLibrary(path: string): XrtLibrary {
  const known = loaded.get(path);
  if (known !== undefined) return known;
  let native: NativeLibrary;
  try {
    native = loadLibrary(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DeviceError("XRT_LIBRARY_NOT_LOADED", `The library ${path} cannot be loaded: ${reason}.`, {
      hint: "Run `accllm doctor` to see what is installed and what is missing.",
      cause,
    });
  }
  const xrt = bind<XrtFunctions>(native, path, xrtDeclarations);
  let emulator: EmulatorFunctions | undefined;
  try {
    emulator = bind<EmulatorFunctions>(native, path, emulatorDeclarations);
  } catch (error) {
    // XRT has none of them; it does everything else.
    if (!(error instanceof DeviceError)) throw error;
  }
  const library = { path, xrt, emulator };
  loaded.set(path, library);
  return library;
}

function errnoName(value: number): string {
  const entry = Object.entries(constants.errno).find(([, code]) => code === value);
  return entry?.[0] ?? `errno ${value}`;
}

/**
 * The error for a call that has just failed: what was tried, the library's own text where it gives one, errno.
 * Call it before any other native call.
 */
export function callFailed(
  library: XrtLibrary,
  code: string,
  what: string,
  detail: { hint?: string } = {},
): DeviceError {
  const errno = lastErrno();
  const text = library.emulator?.accllmEmuLastError() ?? "";
  const reasons = [text, errno === 0 ? "" : errnoName(errno)].filter((part) => part !== "");
  return new DeviceError(code, `${what}${reasons.length > 0 ? ` (${reasons.join("; ")})` : ""}.`, detail);
}
