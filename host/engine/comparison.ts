import type { TraceEntry as ReferenceEntry, ReferenceModel } from "../../quant/eval/reference/model.ts";
import { DeviceError } from "../errors.ts";
import type { Session } from "./session.ts";
import type { TraceEntry } from "./trace.ts";

/** Tokens of a sequence in the blocks in which they run. */
export interface Script {
  /** Position of the first token; what lies before it is a cache of zeros. */
  readonly start: number;
  /** 1 to limits.blockTokens tokens each. */
  readonly blocks: readonly (readonly number[])[];
}

/**
 * Runs a script on a traced session and on the reference, and compares bits after every block: all activations,
 * the logits and the whole KV cache. Every second block runs as a prompt, where the window holds it: with the logits of
 * its last token alone.
 * @returns the first difference in words, or undefined
 */
export async function compareSequence(
  session: Session,
  reference: ReferenceModel,
  script: Script,
  signal?: AbortSignal,
): Promise<string | undefined> {
  reference.reset();
  session.clearKv();
  session.startAt(script.start);
  const { sinks, window } = session.plan;
  for (const [index, block] of script.blocks.entries()) {
    const first = session.position;
    const asPrompt = index % 2 === 1 && block.length <= sinks + window;
    const firstLogit = asPrompt ? block.length - 1 : 0;
    const expected = block.map((token, t) => {
      const entries: ReferenceEntry[] = [];
      const wanted = t < firstLogit ? "cache" : "logits";
      reference.step(token, first + t, { trace: (entry) => entries.push(entry), wanted });
      return entries;
    });
    let logits: Float32Array[];
    try {
      logits = asPrompt ? [await session.prefill(block, signal)] : await session.logitsForAll(block, signal);
    } catch (error) {
      if (!(error instanceof DeviceError) || error.code !== "NON_FINITE") throw error;
      return reference.nonFinite ? undefined : `the device met a number that is not finite at ${first}`;
    }
    if (reference.nonFinite) return `the reference met a number that is not finite, the device did not`;
    const trace = session.trace();
    for (let t = 0; t < block.length; t++) {
      const seen = trace.filter((entry) => entry.position === first + t);
      const problem = compareToken(expected[t]!, seen, logits[t - firstLogit]);
      if (problem !== undefined) return `position ${first + t}: ${problem}`;
    }
    const problem = compareKv(session, reference);
    if (problem !== undefined) return `after position ${session.position - 1}: ${problem}`;
  }
  return undefined;
}

/** Compares what one token left behind: the reference's entries end with the logits, where those are wanted. */
function compareToken(
  expected: readonly ReferenceEntry[],
  seen: readonly TraceEntry[],
  logits: Float32Array | undefined,
): string | undefined {
  const activations = expected.length - (logits === undefined ? 0 : 1);
  if (seen.length !== activations) {
    return `${activations} activations in the reference, ${seen.length} from the device`;
  }
  for (const [i, want] of expected.entries()) {
    const got = seen[i];
    const where = `${want.layer === undefined ? "" : `layer ${want.layer}, `}${want.operation} -> ${want.buffer}`;
    if (
      got !== undefined &&
      (got.operation !== want.operation || got.buffer !== want.buffer || got.layer !== want.layer)
    ) {
      return `${where} in the reference, ${got.operation} -> ${got.buffer} from the device`;
    }
    const values = got?.values ?? logits;
    const difference = values && differentBits(want.values, values);
    if (difference !== undefined) return `${where}, ${difference}`;
  }
  return undefined;
}

/** First value whose bits differ. */
function differentBits(want: Float32Array, got: Float32Array): string | undefined {
  if (want.length !== got.length)
    return `${want.length} values in the reference, ${got.length} from the device`;
  const a = new Uint32Array(want.buffer, want.byteOffset, want.length);
  const b = new Uint32Array(got.buffer, got.byteOffset, got.length);
  const i = a.findIndex((bits, k) => bits !== b[k]);
  if (i < 0) return undefined;
  return `value ${i}: reference ${want[i]} (${hex(a[i]!)}), device ${got[i]} (${hex(b[i]!)})`;
}

function compareKv(session: Session, reference: ReferenceModel): string | undefined {
  const { kv } = session.plan;
  for (let layer = 0; layer < session.layers; layer++) {
    for (let channel = 0; channel < kv.channels; channel++) {
      const want = reference.kvBytes(layer, channel);
      const got = session.readKv(layer, channel);
      if (Buffer.compare(want, got) === 0) continue;
      const at = want.findIndex((byte, i) => byte !== got[i]);
      return `KV cache of layer ${layer}, channel ${channel}, byte ${at}: reference ${want[at]}, device ${got[at]}`;
    }
  }
  return undefined;
}

function hex(bits: number): string {
  return `0x${bits.toString(16).padStart(8, "0")}`;
}
