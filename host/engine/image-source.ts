import type { ImageHeader } from "../../quant/format/image-header.ts";

/** Where a session takes a model from: an image file, or a model packed in memory. */
export interface ImageSource {
  readonly header: ImageHeader;
  /**
   * Fills `target` with a section's bytes, `target.length` of them.
   * @throws InputError when the section is absent, shorter than asked, or not what its SHA-256 says
   */
  readSection(name: string, target: Uint8Array, signal?: AbortSignal): Promise<void>;
}
