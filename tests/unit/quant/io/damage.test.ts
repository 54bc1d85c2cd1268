import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InputError } from "../../../../host/errors.ts";
import { openCheckpoint } from "../../../../quant/io/checkpoint.ts";
import { newFolder, writeCheckpoint } from "./small-checkpoint.ts";

/** Opens a checkpoint and reads all of it; anything but success or an InputError fails the test. */
async function openAndRead(path: string): Promise<void> {
  try {
    const checkpoint = await openCheckpoint(path);
    try {
      for (const [name, { rows }] of checkpoint.tensors) await checkpoint.readRows(name, 0, rows);
    } finally {
      await checkpoint.close();
    }
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
  }
}

const damage = fc.array(fc.record({ at: fc.nat(), byte: fc.nat(255) }), { minLength: 1, maxLength: 3 });
const cut = fc.option(fc.nat(), { freq: 4 });

function damaged(
  bytes: Buffer,
  within: number,
  changes: { at: number; byte: number }[],
  end: number | null,
): Buffer {
  const copy = Buffer.from(bytes);
  for (const { at, byte } of changes) copy[at % within] = byte;
  return end === null ? copy : copy.subarray(0, end % copy.length);
}

describe("damaged files never do more than throw InputError", () => {
  it.each(["model.safetensors", "config.json"])("%s", async (name) => {
    const folder = writeCheckpoint();
    const bytes = readFileSync(join(folder, name));
    const header = name === "config.json" ? bytes.length : Number(bytes.readBigUInt64LE()) + 8;
    await fc.assert(
      fc.asyncProperty(damage, cut, async (changes, end) => {
        writeFileSync(join(folder, name), damaged(bytes, header, changes, end));
        await openAndRead(folder);
      }),
      { numRuns: 150 },
    );
  });

  it("a llama2.c header", async () => {
    const path = join(newFolder(), "model.bin");
    const header = Buffer.from(Int32Array.of(8, 12, 1, 2, 1, 10, 6).buffer);
    const bytes = Buffer.concat([header, Buffer.alloc(4 * 608)]);
    writeFileSync(path, bytes);
    await (await openCheckpoint(path)).close();
    await fc.assert(
      fc.asyncProperty(damage, cut, async (changes, end) => {
        writeFileSync(path, damaged(bytes, header.length, changes, end));
        await openAndRead(path);
      }),
      { numRuns: 150 },
    );
  });
});
