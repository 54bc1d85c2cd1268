import type { ImageHeader } from "../../quant/format/image-header.ts";

/** A section where it lies in an open file, which is read by mapping it. */
export interface SectionInFile {
  readonly descriptor: number;
  /** A multiple of the page size. */
  readonly offset: number;
  readonly bytes: number;
  /** @throws InputError when the section's bytes have another SHA-256 (hex) */
  requireDigest(sha256: string): void;
}

/** Where a session takes a model from: an image file, or a model packed in memory. */
export interface ImageSource {
  readonly header: ImageHeader;
  /**
   * Fills `target` with a section's bytes, `target.length` of them.
   * @throws InputError when the section is absent, shorter than asked, or not what its SHA-256 says
   */
  readSection(name: string, target: Uint8Array, signal?: AbortSignal): Promise<void>;
  /**
   * Where a section lies; absent where the model is in memory only.
   * @throws InputError when the section is absent
   */
  sectionInFile?(name: string): SectionInFile;
}
