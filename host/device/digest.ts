import { createHash } from "node:crypto";
import { addressOf, type DigestFunctions, digestDeclarations, loadLibrary } from "./xrt/binding.ts";

/** Bytes hashed at a time where the event loop waits for it. */
const stepBytes = 4 * 1024 * 1024;

/** null where this Node.js does not export it. */
let functions: DigestFunctions | null | undefined;

function exported(): DigestFunctions | null {
  if (functions !== undefined) return functions;
  try {
    const SHA256 = loadLibrary(null).func("SHA256", ...digestDeclarations.SHA256);
    functions = { SHA256: SHA256 as DigestFunctions["SHA256"] };
  } catch {
    functions = null;
  }
  return functions;
}

/**
 * SHA-256 in hex, on a thread of the pool: node:crypto hashes on the event loop's thread, and what does not would copy
 * the bytes first. Where this Node.js does not export its OpenSSL, node:crypto in steps.
 * @param memory must stay as it is until the promise settles
 * @param native whether to use that OpenSSL, for tests. Default true.
 */
export async function sha256(memory: Uint8Array, native = true): Promise<string> {
  const library = native ? exported() : null;
  if (library === null) {
    const hash = createHash("sha256");
    for (let at = 0; at < memory.length; at += stepBytes) {
      hash.update(memory.subarray(at, at + stepBytes));
      await new Promise((resolve) => setImmediate(resolve));
    }
    return hash.digest("hex");
  }
  const out = new Uint8Array(32);
  await new Promise<void>((resolve, reject) => {
    library.SHA256.async(addressOf(memory), memory.length, out, (error) =>
      error ? reject(error) : resolve(),
    );
  });
  return Buffer.from(out).toString("hex");
}
