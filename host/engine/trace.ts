import type { BlockRun, BlockRunner } from "./block-runner.ts";
import type { DumpPlace } from "./forward-pass.ts";

/** One activation buffer as a descriptor left it, for one token. */
export interface TraceEntry {
  /** Undefined outside the layers. */
  readonly layer: number | undefined;
  readonly operation: DumpPlace["operation"];
  readonly buffer: DumpPlace["buffer"];
  /** Position of the token in the sequence. */
  readonly position: number;
  /** float32 values; for buffer a the scale and then the codes. */
  readonly values: Float32Array;
}

/** Reads what a traced run has dumped, in the order of the command stream, tokens of a descriptor together. */
export function readTrace(runner: BlockRunner, dumps: readonly DumpPlace[], block: BlockRun): TraceEntry[] {
  return dumps.flatMap((dump) => {
    const { layer, operation, buffer, length } = dump;
    const first = dump.headOnly ? block.firstLogit : 0;
    return Array.from({ length: block.tokens.length - first }, (_, i): TraceEntry => {
      const token = first + i;
      const offset = dump.ioOffset + token * dump.rowBeats;
      const values = runner.readFloats(offset, length + (buffer === "a" ? 1 : 0));
      return { layer, operation, buffer, position: block.position + token, values };
    });
  });
}
