import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { PartialFile } from "../../../../quant/format/partial-file.ts";
import { newFolder } from "../io/small-checkpoint.ts";

afterEach(() => vi.restoreAllMocks());

/** Makes every write to a file fail as the system would. */
async function failWrites(folder: string, code: string): Promise<void> {
  const handle = await open(join(folder, "probe"), "w");
  const error = Object.assign(new Error(`${code}: no space left on device, write`), { code });
  vi.spyOn(Object.getPrototypeOf(handle), "write").mockRejectedValue(error);
  await handle.close();
}

/** A process id that was in use and is no more. */
function deadPid(): number {
  return spawnSync(process.execPath, ["--version"]).pid;
}

describe("PartialFile", () => {
  it("appears under its name only when it is committed", async () => {
    const folder = newFolder();
    const target = join(folder, "out.accllm");
    writeFileSync(target, "old");
    const file = await PartialFile.create(target, 8);
    await file.write(Buffer.from("5678"), 4);
    await file.write(Buffer.from("1234"), 0);
    expect(readFileSync(target, "utf8")).toBe("old");
    expect(readdirSync(folder).some((name) => name.includes(String(process.pid)))).toBe(true);
    await file.commit();
    expect(readFileSync(target, "utf8")).toBe("12345678");
    expect(readdirSync(folder)).toEqual(["out.accllm"]);
  });

  it("leaves what was there before when it is discarded", async () => {
    const folder = newFolder();
    const target = join(folder, "out.accllm");
    writeFileSync(target, "old");
    const file = await PartialFile.create(target, 8);
    await file.write(Buffer.from("1234"), 0);
    await file.discard();
    expect(readdirSync(folder)).toEqual(["out.accllm"]);
    expect(readFileSync(target, "utf8")).toBe("old");
  });

  it("removes what dead processes left of the same target, and nothing else", async () => {
    const folder = newFolder();
    const dead = `.out.accllm.${deadPid()}-0a1b2c3d.partial`;
    const kept = [
      `.out.accllm.${process.ppid}-0a1b2c3d.partial`,
      `.other.accllm.${deadPid()}-0a1b2c3d.partial`,
      ".out.accllm.notes.partial",
    ];
    for (const name of [dead, ...kept]) writeFileSync(join(folder, name), "");
    const file = await PartialFile.create(join(folder, "out.accllm"), 1);
    await file.discard();
    expect(readdirSync(folder).sort()).toEqual([...kept].sort());
  });

  it("says that the disk is full, in one paragraph", async () => {
    const folder = newFolder();
    const file = await PartialFile.create(join(folder, "out.accllm"), 4);
    await failWrites(folder, "ENOSPC");
    await expect(file.write(Buffer.from("1234"), 0)).rejects.toMatchObject({
      code: "OUTPUT_WRITE_FAILED",
      exitCode: 3,
      message: expect.stringMatching(/^Cannot write .*out\.accllm: the disk is full\.[^\n]*$/),
    });
    await file.discard();
    expect(readdirSync(folder)).toEqual(["probe"]);
  });

  it("refuses at once what the disk has no room for", async () => {
    const folder = newFolder();
    await expect(PartialFile.create(join(folder, "out.accllm"), 2 ** 52)).rejects.toMatchObject({
      code: "OUTPUT_WRITE_FAILED",
      message: expect.stringContaining("4503599627370496 bytes"),
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  it("refuses a folder as target, and a folder that is not there", async () => {
    const folder = newFolder();
    mkdirSync(join(folder, "out.accllm"));
    for (const target of [join(folder, "out.accllm"), join(folder, "missing", "out.accllm")]) {
      await expect(PartialFile.create(target, 1)).rejects.toMatchObject({ code: "OUTPUT_WRITE_FAILED" });
    }
    expect(existsSync(join(folder, "missing"))).toBe(false);
  });
});
