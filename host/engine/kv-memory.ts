import { beatBytes, kvBlockSlots } from "../../quant/format/limits.ts";
import type { DeviceMemory } from "./device-memory.ts";
import type { MemoryPlan } from "./plan.ts";

/** The KV cache on the device: what lies in the kv buffers, channel by channel (quant/format/kv-layout.ts). */
export class KvMemory {
  readonly #memory: DeviceMemory;
  readonly #plan: MemoryPlan;
  readonly #shape: { readonly layers: number; readonly kvHeads: number };

  constructor(
    memory: DeviceMemory,
    plan: MemoryPlan,
    shape: { readonly layers: number; readonly kvHeads: number },
  ) {
    this.#memory = memory;
    this.#plan = plan;
    this.#shape = shape;
  }

  /** A copy of one layer's cache in one channel, as the device holds it. */
  readLayer(layer: number, channel: number): Uint8Array {
    const bytes = this.#plan.kv.layerBeats * beatBytes;
    const start = layer * bytes;
    this.#memory.buffer(`kv${channel}`).sync("fromDevice", bytes, start);
    return Uint8Array.from(this.#memory.map(`kv${channel}`).subarray(start, start + bytes));
  }

  /** Fills the whole cache with zeros, so that its bytes can be compared. */
  clear(): void {
    for (let channel = 0; channel < this.#plan.kv.channels; channel++) {
      this.#memory.map(`kv${channel}`).fill(0);
      this.#memory.buffer(`kv${channel}`).sync("toDevice");
    }
  }

  /** Bytes that a sequence of so many tokens takes when it is copied. */
  sequenceBytes(tokens: number): number {
    const { layers, kvHeads } = this.#shape;
    return layers * kvHeads * 2 * this.#partBytes(tokens);
  }

  /** A copy of what the cache holds of a sequence of so many tokens: of every key and value region the blocks in use. */
  readSequence(tokens: number): Uint8Array {
    const copy = new Uint8Array(this.sequenceBytes(tokens));
    let at = 0;
    for (let channel = 0; channel < this.#usedChannels; channel++) {
      this.#memory.buffer(`kv${channel}`).sync("fromDevice");
      const map = this.#memory.map(`kv${channel}`);
      for (const part of this.#parts(channel, tokens)) {
        copy.set(map.subarray(part.start, part.end), at);
        at += part.end - part.start;
      }
    }
    return copy;
  }

  /** Puts back what {@link readSequence} has copied; the cache's other blocks are undefined afterwards. */
  writeSequence(tokens: number, bytes: Uint8Array): void {
    if (bytes.length !== this.sequenceBytes(tokens)) {
      throw new RangeError(`${bytes.length} bytes are no cache of ${tokens} tokens`);
    }
    let at = 0;
    for (let channel = 0; channel < this.#usedChannels; channel++) {
      const map = this.#memory.map(`kv${channel}`);
      for (const part of this.#parts(channel, tokens)) {
        const length = part.end - part.start;
        map.set(bytes.subarray(at, at + length), part.start);
        at += length;
      }
      this.#memory.buffer(`kv${channel}`).sync("toDevice");
    }
  }

  /** Channels that hold a head: there may be more of them than heads. */
  get #usedChannels(): number {
    return Math.min(this.#plan.kv.channels, this.#shape.kvHeads);
  }

  /** Bytes of a region's blocks that so many tokens use: slots are filled from the first one on. */
  #partBytes(tokens: number): number {
    const { blocks, blockBeats } = this.#plan.kv;
    return Math.min(blocks, Math.ceil(tokens / kvBlockSlots)) * blockBeats * beatBytes;
  }

  /** Where the keys and the values of a channel's heads lie, layer by layer. */
  *#parts(channel: number, tokens: number): Generator<{ start: number; end: number }> {
    const { channels, headsPerChannel, regionBeats } = this.#plan.kv;
    const { layers, kvHeads } = this.#shape;
    const regions = 2 * Math.ceil((kvHeads - channel) / channels);
    const length = this.#partBytes(tokens);
    for (let layer = 0; layer < layers; layer++) {
      for (let region = 0; region < regions; region++) {
        const start = (layer * headsPerChannel * 2 + region) * regionBeats * beatBytes;
        yield { start, end: start + length };
      }
    }
  }
}
