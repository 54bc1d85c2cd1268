import { DeviceError } from "../../errors.ts";
import {
  type EmulatorFunctions,
  emulatorDeclarations,
  loadLibrary,
  type NativeLibrary,
  type XrtFunctions,
  xrtDeclarations,
} from "./binding.ts";
import { installGuard } from "./guard.ts";
import { leastXrt, sinceRelease } from "./versions.ts";

/** A loaded library with XRT's C API: XRT itself or the emulator. */
export interface XrtLibrary {
  readonly path: string;
  readonly xrt: XrtFunctions;
  /** What only the emulator exports; undefined on XRT. */
  readonly emulator: EmulatorFunctions | undefined;
}

const loaded = new Map<string, XrtLibrary>();

/** The error for a library without a function of XRT's C API. */
export function symbolMissing(path: string, name: string, cause?: unknown): DeviceError {
  const since = sinceRelease(name);
  const known = since === undefined ? "" : ` XRT has it since version ${since}.`;
  return new DeviceError("XRT_SYMBOL_MISSING", `The library ${path} has no function ${name}.${known}`, {
    hint: `Install XRT ${since ?? leastXrt} or newer; for the emulator, run \`npm run build\` again.`,
    cause,
  });
}

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
      throw symbolMissing(path, name, cause);
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
  installGuard();
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
