import { createHash, type Hash } from "node:crypto";
import {
  type ImageHeader,
  type ImageSection,
  imageMagic,
  imagePreambleBytes,
  imageVersion,
} from "./image-header.ts";
import type { ImagePlan } from "./image-plan.ts";
import { PartialFile } from "./partial-file.ts";

interface OpenSection {
  readonly section: ImageSection;
  readonly hash: Hash;
  written: number;
}

/**
 * Writes an image section by section in any interleaving; each section is written front to back and hashed on the
 * way. The target appears, complete and with its hashes, when `finish` returns.
 */
export class ImageWriter {
  readonly #header: ImageHeader;
  readonly #file: PartialFile;
  readonly #sections: Map<string, OpenSection>;

  private constructor(plan: ImagePlan, file: PartialFile) {
    this.#header = plan.header;
    this.#file = file;
    this.#sections = new Map(
      plan.header.sections.map((section) => [
        section.name,
        { section, hash: createHash("sha256"), written: 0 },
      ]),
    );
  }

  /** @throws InputError OUTPUT_WRITE_FAILED when there is no room or no permission. */
  static async create(target: string, plan: ImagePlan): Promise<ImageWriter> {
    return new ImageWriter(plan, await PartialFile.create(target, plan.fileBytes));
  }

  /** Appends bytes to a section. @throws InputError OUTPUT_WRITE_FAILED, RangeError past the section's end. */
  async append(name: string, bytes: Uint8Array): Promise<void> {
    const open = this.#sections.get(name);
    if (open === undefined || open.written + bytes.length > open.section.bytes) {
      throw new RangeError(`${bytes.length} bytes do not fit in section "${name}"`);
    }
    open.hash.update(bytes);
    await this.#file.write(bytes, open.section.offset + open.written);
    open.written += bytes.length;
  }

  /** Bytes that a section has so far. */
  written(name: string): number {
    return this.#sections.get(name)?.written ?? 0;
  }

  /**
   * Writes the header with the hashes and moves the file to its place.
   * @returns the header as written.
   * @throws RangeError when a section is not complete, InputError OUTPUT_WRITE_FAILED.
   */
  async finish(): Promise<ImageHeader> {
    const sections = [...this.#sections.values()].map(({ section, hash, written }) => {
      if (written !== section.bytes) {
        throw new RangeError(`section "${section.name}" has ${written} of ${section.bytes} bytes`);
      }
      return { ...section, sha256: hash.digest("hex") };
    });
    const header = { ...this.#header, sections };
    const json = Buffer.from(JSON.stringify(header));
    const start = Buffer.alloc(imagePreambleBytes + json.length);
    start.set(imageMagic);
    start.writeUInt32LE(imageVersion, 8);
    start.writeUInt32LE(json.length, 12);
    start.set(json, imagePreambleBytes);
    await this.#file.write(start, 0);
    await this.#file.commit();
    return header;
  }

  /** Removes everything that was written. */
  async discard(): Promise<void> {
    await this.#file.discard();
  }
}
