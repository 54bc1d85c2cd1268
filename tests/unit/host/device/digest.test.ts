import { createHash, randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { sha256 } from "../../../../host/device/digest.ts";

describe.each([
  ["the OpenSSL that Node.js exports", true],
  ["node:crypto in steps", false],
] as const)("sha256 by %s", (_, native) => {
  it.each([0, 1, 63, 64, 1000, 4 * 2 ** 20, 9 * 2 ** 20 + 1])("%i bytes", async (bytes) => {
    const memory = randomBytes(bytes);
    expect(await sha256(memory, native)).toBe(createHash("sha256").update(memory).digest("hex"));
  });

  it("several at once, and the event loop goes on", async () => {
    const pieces = Array.from({ length: 8 }, () => randomBytes(2 ** 20));
    const digests = await Promise.all(pieces.map((piece) => sha256(piece, native)));
    expect(digests).toEqual(pieces.map((piece) => createHash("sha256").update(piece).digest("hex")));
  });
});

it("a published vector", async () => {
  expect(await sha256(Buffer.from("abc"))).toBe(
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
});
