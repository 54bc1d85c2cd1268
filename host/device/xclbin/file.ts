import { readFileSync, statSync } from "node:fs";
import { InputError } from "../../errors.ts";
import type { Xclbin } from "./description.ts";
import { xclbinLimits } from "./layout.ts";
import { parseXclbin } from "./reader.ts";

/**
 * Reads an xclbin file.
 * @throws InputError XCLBIN_UNREADABLE, XCLBIN_INVALID, each with the file's name
 */
export function readXclbinFile(path: string): Xclbin {
  let bytes: Uint8Array;
  try {
    const { size } = statSync(path);
    if (size > xclbinLimits.fileBytes) {
      throw new InputError("XCLBIN_INVALID", `${path} has ${size} bytes, more than any xclbin.`);
    }
    bytes = readFileSync(path);
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InputError("XCLBIN_UNREADABLE", `The xclbin ${path} cannot be read: ${reason}.`, { cause });
  }
  try {
    return parseXclbin(bytes);
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    throw new InputError(cause.code, `${path}: ${cause.message}`, {
      ...(cause.hint === undefined ? {} : { hint: cause.hint }),
      cause,
    });
  }
}
