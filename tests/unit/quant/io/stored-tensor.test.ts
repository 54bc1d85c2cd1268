import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { InputError } from "../../../../host/errors.ts";
import { openFile } from "../../../../quant/io/file-range.ts";
import { PlainTensor } from "../../../../quant/io/plain-tensor.ts";
import { readStoredRows } from "../../../../quant/io/stored-tensor.ts";
import { newFolder, tensor } from "./small-checkpoint.ts";

it.each(["F16", "BF16"] as const)("converts %s rows that are larger than one chunk", async (dtype) => {
  // 9 MB of numbers that repeat every 32: row r begins at the r * 1,500,001st of them.
  const cols = 1_500_001;
  const path = join(newFolder(), "weights");
  const { bytes } = tensor(dtype, [3, cols], 2);
  writeFileSync(path, bytes);
  const file = await openFile(path);
  const out = new Float32Array(2 * cols);
  await readStoredRows(new PlainTensor("w", 3, cols, dtype, { file, offset: 0 }), 1, 2, out);
  await file.handle.close();
  let differences = 0;
  for (let i = 0; i < out.length; i++) {
    const expected = ((2 * 7 + (cols + i) * 5) % 32) / 8 - 2;
    if (out[i] !== expected) differences++;
  }
  expect(differences).toBe(0);
});

it("does not wait for the writer of a pipe", async () => {
  const path = join(newFolder(), "pipe");
  execFileSync("mkfifo", [path]);
  await expect(openFile(path)).rejects.toThrow(InputError);
});
