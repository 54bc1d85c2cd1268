import { join } from "node:path";
import { nativeFolder } from "../../host/device/native.ts";
import { ToolchainError } from "../../host/errors.ts";
import {
  type BoundFunction,
  loadLibrary,
  type NativeLibrary,
  type QuantFunctionName,
  type QuantFunctions,
  quantDeclarations,
} from "./binding.ts";

/** The quantizer's math library, loaded. */
export class QuantLibrary {
  readonly path: string;
  readonly #functions: ReadonlyMap<QuantFunctionName, BoundFunction>;

  /** @throws ToolchainError where it is not built, or by another version. */
  constructor(path: string = join(nativeFolder(), "libaccllm_quant.so")) {
    this.path = path;
    const hint = "Run `npm run build`, or quantize with --recipe fast, which needs no library.";
    let native: NativeLibrary;
    try {
      native = loadLibrary(path);
    } catch (cause) {
      const message = `The library ${path} cannot be loaded: ${(cause as Error).message}.`;
      throw new ToolchainError("QUANT_LIBRARY_NOT_LOADED", message, { hint, cause });
    }
    const functions = new Map<QuantFunctionName, BoundFunction>();
    for (const name of Object.keys(quantDeclarations) as QuantFunctionName[]) {
      const [result, parameters] = quantDeclarations[name];
      try {
        functions.set(name, native.func(name, result, parameters));
      } catch (cause) {
        const message = `The library ${path} has no function ${name}.`;
        throw new ToolchainError("QUANT_LIBRARY_OLD", message, { hint, cause });
      }
    }
    this.#functions = functions;
  }

  /** Calls a function in place. */
  call<Name extends QuantFunctionName>(
    name: Name,
    ...values: Parameters<QuantFunctions[Name]>
  ): ReturnType<QuantFunctions[Name]> {
    return this.#functions.get(name)!(...values) as ReturnType<QuantFunctions[Name]>;
  }

  /** Calls a function on a thread of its own; arrays must stay as they are until it is done. */
  callAsync<Name extends QuantFunctionName>(
    name: Name,
    ...values: Parameters<QuantFunctions[Name]>
  ): Promise<ReturnType<QuantFunctions[Name]>> {
    return new Promise((resolve, reject) => {
      const done = (error: Error | null, result: ReturnType<QuantFunctions[Name]>) =>
        error === null ? resolve(result) : reject(error);
      this.#functions.get(name)!.async(...values, done);
    });
  }
}
