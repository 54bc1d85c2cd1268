import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readManifest, recordBitstream, requireListed } from "../../../../host/device/manifest.ts";

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "accllm-manifest-"));
  file = join(folder, "u280.xclbin");
  writeFileSync(file, "abc");
});
afterEach(() => rmSync(folder, { recursive: true }));

const entry = {
  file: "u280.xclbin",
  // FIPS 180-2's own example: SHA-256 of "abc".
  sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  uuid: "8e84d807-1f0f-8647-ab09-3ba85ee2658e",
  platform: "u280",
  target: "hw",
  shell: "xilinx_u280_gen3x16_xdma_1_202211_1",
  kernelAbi: 1,
  clockMHz: 225,
  tool: "v++ v2022.2",
} as const;

describe("the manifest of bitstreams", () => {
  it("takes a file that is as listed, and any file where there is no manifest", async () => {
    expect(await requireListed(file)).toBeUndefined();
    await recordBitstream(folder, entry);
    expect(await requireListed(file)).toEqual(entry);
  });

  it("replaces a file's entry and keeps the others, in order", async () => {
    await recordBitstream(folder, entry);
    await recordBitstream(folder, { ...entry, file: "a.xclbin" });
    await recordBitstream(folder, { ...entry, clockMHz: 300 });
    expect((await readManifest(folder))?.bitstreams).toEqual([
      { ...entry, file: "a.xclbin" },
      { ...entry, clockMHz: 300 },
    ]);
  });

  it("refuses a file that was changed, and one that it does not list", async () => {
    await recordBitstream(folder, entry);
    writeFileSync(file, "abd");
    await expect(requireListed(file)).rejects.toMatchObject({
      code: "BITSTREAM_CHANGED",
      exitCode: 3,
      message: expect.stringContaining(entry.sha256),
    });
    writeFileSync(join(folder, "b.xclbin"), "abc");
    await expect(requireListed(join(folder, "b.xclbin"))).rejects.toMatchObject({
      code: "BITSTREAM_UNLISTED",
    });
  });

  it.each(["", "[]", '{"version":2,"bitstreams":[]}', '{"version":1,"bitstreams":[{"file":"../x.xclbin"}]}'])(
    "refuses the manifest '%s'",
    async (text) => {
      writeFileSync(join(folder, "manifest.json"), text);
      await expect(requireListed(file)).rejects.toMatchObject({ code: "MANIFEST_INVALID", exitCode: 3 });
    },
  );

  it("the repository's own is valid", async () => {
    const own = fileURLToPath(new URL("../../../../bitstreams", import.meta.url));
    expect(await readManifest(own)).toMatchObject({ version: 1 });
  });
});
