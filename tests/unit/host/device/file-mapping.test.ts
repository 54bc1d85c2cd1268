import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { FileMapping } from "../../../../host/device/file-mapping.ts";

const pageBytes = 4096;
const content = randomBytes(3 * pageBytes + 100);
let folder: string;
let file: string;
let handle: FileHandle;
const open_: FileMapping[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "accllm-mapping-"));
  file = join(folder, "file");
  writeFileSync(file, content);
  handle = await open(file, "r");
});
afterEach(() => {
  for (const mapping of open_.splice(0)) mapping.close();
});
afterAll(async () => {
  await handle.close();
  rmSync(folder, { recursive: true });
});

function map(offset: number, bytes: number, memory = bytes): FileMapping | undefined {
  const mapping = FileMapping.of({ descriptor: handle.fd, offset, bytes }, memory);
  if (mapping !== undefined) open_.push(mapping);
  return mapping;
}

describe("FileMapping", () => {
  it("has a piece's bytes, then zeros, on a page", () => {
    const { memory } = map(pageBytes, 2 * pageBytes + 100, 5 * pageBytes)!;
    expect(memory).toHaveLength(5 * pageBytes);
    expect(Buffer.compare(memory.subarray(0, 2 * pageBytes + 100), content.subarray(pageBytes))).toBe(0);
    expect(memory.subarray(2 * pageBytes + 100).every((byte) => byte === 0)).toBe(true);
  });

  it("can be written where the file cannot: neither the file nor another mapping sees it", () => {
    const first = map(0, content.length, 4 * pageBytes)!.memory;
    first[0] = first[0]! ^ 0xff;
    first[4 * pageBytes - 1] = 7;
    const second = map(0, content.length)!.memory;
    expect(Buffer.compare(second, content)).toBe(0);
    expect(Buffer.compare(readFileSync(file), content)).toBe(0);
  });

  it("stays when the file's descriptor is closed and its name is gone", async () => {
    const other = join(folder, "other");
    writeFileSync(other, content);
    const own = await open(other, "r");
    const mapping = FileMapping.of({ descriptor: own.fd, offset: 0, bytes: content.length }, content.length)!;
    await own.close();
    rmSync(other);
    expect(Buffer.compare(mapping.memory, content)).toBe(0);
    mapping.close();
  });

  it("lets go of the file when it is closed, also twice; old views see zeros and may be written", () => {
    const mapping = map(0, pageBytes)!;
    const view = mapping.memory.subarray(10, 20);
    mapping.close();
    mapping.close();
    expect([...view]).toEqual(new Array(10).fill(0));
    view[0] = 1;
    expect(mapping.memory[10]).toBe(1);
    expect(readFileSync("/proc/self/maps", "utf8")).not.toContain(file);
  });

  it("says of what cannot be mapped that it has to be read: off a page, and a pipe", async () => {
    expect(map(100, 64)).toBeUndefined();
    const device = await open("/dev/tty0", "r").catch(() => open("/proc/self/status", "r"));
    expect(FileMapping.of({ descriptor: device.fd, offset: 0, bytes: 64 }, 64)).toBeUndefined();
    await device.close();
  });

  it("refuses what the address space does not hold", () => {
    expect(() => map(0, pageBytes, 2 ** 52)).toThrowError(expect.objectContaining({ code: "HOST_MEMORY" }));
    expect(() => map(0, 2 * pageBytes, pageBytes)).toThrow(RangeError);
  });
});
