import { writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { InputError } from "../../../../host/errors.ts";
import { readSafetensorsHeader } from "../../../../quant/io/safetensors.ts";
import { newFolder, safetensors, tensor, withHeader } from "./small-checkpoint.ts";

async function read(bytes: Uint8Array, claimedSize = bytes.length) {
  const path = join(newFolder(), "model.safetensors");
  writeFileSync(path, bytes);
  const file = await open(path);
  try {
    return await readSafetensorsHeader(file, claimedSize, path);
  } finally {
    await file.close();
  }
}

const entry = (fields: object) =>
  JSON.stringify({ a: { dtype: "F32", shape: [2], data_offsets: [0, 8], ...fields } });

describe("readSafetensorsHeader", () => {
  it("lists tensors with their place in the file", async () => {
    const bytes = safetensors({
      b: tensor("F32", [2, 3], 0),
      a: tensor("F16", [4], 1),
      none: tensor("F32", [0], 1),
    });
    const found = await read(bytes);
    expect([...found.keys()]).toEqual(["b", "a", "none"]);
    expect(found.get("b")).toMatchObject({ dtype: "F32", shape: [2, 3], bytes: 24 });
    expect(found.get("a")!.offset).toBe(found.get("b")!.offset + 24);
    expect(found.get("none")!.offset).toBe(bytes.length);
  });

  it("accepts a header padded with spaces", async () => {
    expect((await read(withHeader(`${entry({})}   `, new Uint8Array(8)))).size).toBe(1);
  });

  it.each<[string, Uint8Array, RegExp]>([
    ["an empty file", new Uint8Array(0), /too few/],
    ["a file of 7 bytes", new Uint8Array(7), /too few/],
    ["a header over the limit", Buffer.from("ffffffffffffff7f", "hex"), /claims 9223372036854775807 bytes/],
    ["a header of 100,000,001 bytes", Buffer.from("01e1f50500000000", "hex"), /at most 100000000/],
    ["a header longer than the file", Buffer.from("0900000000000000207b7d", "hex"), /truncated/],
    ["a header that is no JSON", withHeader("{", new Uint8Array(0)), /not valid JSON/],
    ["a header that is no UTF-8", withHeader("\u00ff", new Uint8Array(0)).fill(0xff, 8), /not valid JSON/],
    ["a header that is a list", withHeader("[]", new Uint8Array(0)), /record/],
    [
      "metadata that is no map of strings",
      withHeader('{"__metadata__":{"a":1}}', new Uint8Array(0)),
      /__metadata__/,
    ],
    ["an unknown dtype", withHeader(entry({ dtype: "F31" }), new Uint8Array(8)), /unknown dtype "F31"/],
    [
      "a dtype named as a method",
      withHeader(entry({ dtype: "toString" }), new Uint8Array(8)),
      /unknown dtype/,
    ],
    [
      "a shape that needs more",
      withHeader(entry({ shape: [3] }), new Uint8Array(8)),
      /needs 12 bytes.*span 8/,
    ],
    [
      "a shape beyond all integers",
      withHeader(entry({ shape: [2 ** 40, 2 ** 40] }), new Uint8Array(8)),
      /impossible/,
    ],
    ["a negative extent", withHeader(entry({ shape: [-2] }), new Uint8Array(8)), /shape\.0/],
    ["a fractional extent", withHeader(entry({ shape: [2.5] }), new Uint8Array(8)), /shape\.0/],
    [
      "nine dimensions",
      withHeader(entry({ shape: [2, 1, 1, 1, 1, 1, 1, 1, 1] }), new Uint8Array(8)),
      /shape/,
    ],
    ["a negative offset", withHeader(entry({ data_offsets: [-8, 0] }), new Uint8Array(8)), /data_offsets/],
    ["offsets in reverse", withHeader(entry({ data_offsets: [8, 0] }), new Uint8Array(8)), /span -8/],
    ["offsets beyond the file", withHeader(entry({ data_offsets: [0, 8] }), new Uint8Array(7)), /truncated/],
    ["a hole before", withHeader(entry({ data_offsets: [4, 12] }), new Uint8Array(12)), /4 bytes before/],
    ["bytes behind", withHeader(entry({}), new Uint8Array(9)), /1 bytes at its end/],
    ["a missing field", withHeader('{"a":{"dtype":"F32","shape":[2]}}', new Uint8Array(8)), /data_offsets/],
    [
      "a tensor called constructor",
      withHeader('{"constructor":{}}', new Uint8Array(0)),
      /no acceptable tensor name/,
    ],
    [
      "a tensor called __proto__",
      withHeader(entry({}).replace('"a"', '"__proto__"'), new Uint8Array(8)),
      /belong|name/,
    ],
    [
      "an endless name",
      withHeader(entry({}).replace("a", "a".repeat(2000)), new Uint8Array(8)),
      /2000 characters/,
    ],
    [
      "overlapping tensors",
      withHeader(
        '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}',
        new Uint8Array(12),
      ),
      /"b" overlaps/,
    ],
  ])("refuses %s", async (_, bytes, message) => {
    const error = await read(bytes).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(InputError);
    expect((error as InputError).message).toMatch(message);
    expect((error as InputError).message).toContain("model.safetensors");
  });

  it("reports a file that shrank after its size was taken", async () => {
    await expect(read(Buffer.from("0900000000000000207b7d", "hex"), 1000)).rejects.toThrow(/has no byte 11/);
  });
});
