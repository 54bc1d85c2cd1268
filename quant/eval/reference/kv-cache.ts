import { type KvLayout, slotOf } from "../../format/kv-layout.ts";
import { beatBytes, kvBlockSlots } from "../../format/limits.ts";
import { fromFloat16 } from "./float16.ts";
import type { Kv4 } from "./kv4.ts";

/** The keys or the values of one kv head, by slot. */
export interface KvSlots {
  /** [slots][headDim], 0..15. */
  readonly codes: Uint8Array;
  /** float16 bits, one a slot. */
  readonly scales: Uint16Array;
  readonly minima: Uint16Array;
}

export interface KvHead {
  readonly keys: KvSlots;
  readonly values: KvSlots;
}

/** Scale and minimum of a slot as numbers. */
export function slotScale(slots: KvSlots, slot: number): { scale: number; minimum: number } {
  return { scale: fromFloat16(slots.scales[slot]!), minimum: fromFloat16(slots.minima[slot]!) };
}

/** The KV cache of one layer. Slots that nothing wrote are zero. */
export class KvCache {
  readonly heads: readonly KvHead[];
  readonly layout: KvLayout;
  readonly headDim: number;
  readonly sinks: number;

  constructor(layout: KvLayout, shape: { kvHeads: number; headDim: number }, sinks: number) {
    this.layout = layout;
    this.headDim = shape.headDim;
    this.sinks = sinks;
    this.heads = Array.from({ length: shape.kvHeads }, () => ({
      keys: this.#slots(),
      values: this.#slots(),
    }));
  }

  #slots(): KvSlots {
    const slots = this.layout.blocks * kvBlockSlots;
    return {
      codes: new Uint8Array(slots * this.headDim),
      scales: new Uint16Array(slots),
      minima: new Uint16Array(slots),
    };
  }

  write(head: number, position: number, key: Kv4, value: Kv4): void {
    const slot = slotOf(position, this.sinks, this.layout.ring);
    const { keys, values } = this.heads[head]!;
    for (const [slots, vector] of [[keys, key] as const, [values, value] as const]) {
      slots.codes.set(vector.codes, slot * this.headDim);
      slots.scales[slot] = vector.scale16;
      slots.minima[slot] = vector.min16;
    }
  }

  clear(): void {
    for (const { keys, values } of this.heads) {
      for (const slots of [keys, values]) {
        slots.codes.fill(0);
        slots.scales.fill(0);
        slots.minima.fill(0);
      }
    }
  }

  /** docs/numerics.md, "KV layout": the layer's region of a KV channel. */
  bytes(channel: number): Uint8Array {
    const { channels, layerBeats, regionBeats } = this.layout;
    const out = new Uint8Array(layerBeats * beatBytes);
    this.heads.forEach(({ keys, values }, head) => {
      if (head % channels !== channel) return;
      const start = Math.floor(head / channels) * 2 * regionBeats * beatBytes;
      this.#pack(keys, out.subarray(start));
      this.#pack(values, out.subarray(start + regionBeats * beatBytes));
    });
    return out;
  }

  #pack(slots: KvSlots, out: Uint8Array): void {
    const view = new DataView(out.buffer, out.byteOffset);
    const pairs = this.headDim / 2;
    for (let slot = 0; slot < slots.scales.length; slot++) {
      const block = Math.floor(slot / kvBlockSlots) * this.layout.blockBeats * beatBytes;
      const inBlock = slot % kvBlockSlots;
      view.setUint16(block + 4 * inBlock, slots.scales[slot]!, true);
      view.setUint16(block + 4 * inBlock + 2, slots.minima[slot]!, true);
      for (let i = 0; i < pairs; i++) {
        const at = slot * this.headDim + 2 * i;
        out[block + beatBytes + inBlock * pairs + i] = slots.codes[at]! + 16 * slots.codes[at + 1]!;
      }
    }
  }
}
