import { beatBytes, kvBlockSlots, limits } from "./limits.ts";

/**
 * The KV cache of one layer, the same in every KV channel. Head h lies in channel h mod K as that channel's head
 * h div K: all blocks of its keys, then all blocks of its values. A block holds sixteen slots: one beat of
 * (scale, minimum) float16 pairs, then headDim/2 bytes of 4-bit codes a slot, padded to a whole beat.
 */
export interface KvLayout {
  readonly channels: number;
  readonly headsPerChannel: number;
  /** Slots behind the sinks; position p >= sinks lies in slot sinks + (p - sinks) mod ring. */
  readonly ring: number;
  readonly blocks: number;
  readonly blockBeats: number;
  /** Beats of one head's keys (or values). */
  readonly regionBeats: number;
  /** Beats of a layer in every KV channel. */
  readonly layerBeats: number;
}

/**
 * The ring is longer than the window by a block of tokens less one, so that a block can be written before its
 * first token attends: what the first token still sees is not yet overwritten.
 */
export function kvLayout(
  shape: { readonly kvHeads: number; readonly headDim: number },
  sinks: number,
  window: number,
  channels: number,
): KvLayout {
  const ring = window + limits.blockTokens - 1;
  const blocks = Math.ceil((sinks + ring) / kvBlockSlots);
  const blockBeats = 1 + Math.ceil((kvBlockSlots * shape.headDim) / 2 / beatBytes);
  const headsPerChannel = Math.ceil(shape.kvHeads / channels);
  const regionBeats = blocks * blockBeats;
  return {
    channels,
    headsPerChannel,
    ring,
    blocks,
    blockBeats,
    regionBeats,
    layerBeats: headsPerChannel * 2 * regionBeats,
  };
}

/** Slot of a position. */
export function slotOf(position: number, sinks: number, ring: number): number {
  return position < sinks ? position : sinks + ((position - sinks) % ring);
}
