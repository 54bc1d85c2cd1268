import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, rename, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { InputError } from "../errors.ts";

/** bitstreams/manifest.json: which files were built from what, so that a file that was exchanged is not loaded. */
const entrySchema = z.object({
  /** In the manifest's folder. */
  file: z.string().regex(/^[\w.-]+\.xclbin$/),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  uuid: z.uuid(),
  platform: z.string(),
  target: z.enum(["hw", "hw_emu", "sw_emu"]),
  /** AMD's shell that it was built for. */
  shell: z.string(),
  /** Version of the kernel's interface. */
  kernelAbi: z.int().positive(),
  clockMHz: z.number().positive(),
  /** Version of v++. */
  tool: z.string(),
});
const manifestSchema = z.object({ version: z.literal(1), bitstreams: z.array(entrySchema) });

export type ManifestEntry = z.infer<typeof entrySchema>;
export type Manifest = z.infer<typeof manifestSchema>;

export const manifestName = "manifest.json";

/** @throws InputError MANIFEST_INVALID; undefined where the folder has none. */
export async function readManifest(folder: string): Promise<Manifest | undefined> {
  const path = join(folder, manifestName);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch {
    return undefined;
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  const parsed = manifestSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new InputError(
    "MANIFEST_INVALID",
    `${path} is no list of bitstreams (${issue?.path.join(".") || "the file"}: ${issue?.message}).`,
    { hint: "Restore it from the repository, or build the bitstreams again." },
  );
}

/** SHA-256 of a file, hex, read in pieces. */
export async function fileSha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/** Adds an entry or replaces the one of the same file; whole or not at all. */
export async function recordBitstream(folder: string, entry: ManifestEntry): Promise<void> {
  const manifest = (await readManifest(folder)) ?? { version: 1 as const, bitstreams: [] };
  const others = manifest.bitstreams.filter(({ file }) => file !== entry.file);
  const bitstreams = [...others, entry].sort((a, b) => (a.file < b.file ? -1 : 1));
  const path = join(folder, manifestName);
  await writeFile(`${path}.partial`, `${JSON.stringify({ version: 1, bitstreams }, undefined, 2)}\n`);
  await rename(`${path}.partial`, path);
}

/**
 * Compares an xclbin with the manifest beside it. A folder without a manifest says nothing of its files.
 * @returns the entry, or undefined without a manifest
 * @throws InputError MANIFEST_INVALID, BITSTREAM_UNLISTED, BITSTREAM_CHANGED.
 */
export async function requireListed(path: string): Promise<ManifestEntry | undefined> {
  const folder = dirname(path);
  const manifest = await readManifest(folder);
  if (manifest === undefined) return undefined;
  const entry = manifest.bitstreams.find(({ file }) => file === basename(path));
  if (entry === undefined) {
    throw new InputError("BITSTREAM_UNLISTED", `${path} is not in the ${manifestName} of its folder.`, {
      hint: "`accllm build` lists what it builds; a file from elsewhere is loaded from a folder without a manifest.",
    });
  }
  const sha256 = await fileSha256(path);
  if (sha256 === entry.sha256) return entry;
  throw new InputError(
    "BITSTREAM_CHANGED",
    `${path} is not the file of its ${manifestName}: it has SHA-256 ${sha256} instead of ${entry.sha256}.`,
    { hint: "Copy or build it again; it was exchanged or damaged since it was listed." },
  );
}
