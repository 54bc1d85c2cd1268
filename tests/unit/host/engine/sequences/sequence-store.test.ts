import { readFile, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { seenFrom } from "../ring-session.ts";
import { KEY, Programs, shape, text } from "./store-fixture.ts";

let programs: Programs;
beforeEach(async () => {
  programs = await Programs.make();
});
afterEach(() => programs.remove());

describe("sequences in a folder", () => {
  it("a program that is started again runs what is new only, and gives the same logits", async () => {
    const first = await programs.start();
    await first.session.prefill(text(30));
    await first.session.decode(30);
    await first.session.save();
    await first.session.settle();

    const second = await programs.start();
    const [logits] = await second.session.prefill(text(35));
    expect(second.device.ran).toEqual([[31, 32, 33, 34]]);
    expect(second.session.reusedTokens).toBe(31);
    expect(logits).toBe(seenFrom(text(35), shape));
    expect(programs.count("restored")).toBe(1);
  });

  it("goes back and forth between conversations without running them again", async () => {
    const { session, device } = await programs.start();
    await session.prefill(text(30));
    await session.prefill(text(30, 100));
    await session.prefill(text(32));
    await session.prefill(text(32, 100));
    expect(device.ran).toEqual([text(30), text(30, 100), [30, 31], [130, 131]]);
  });

  it("takes the stored sequence that saves most, also where only its beginning fits", async () => {
    const { session, device, store } = await programs.start();
    await session.prefill([...text(20), ...text(20, 500)]);
    await session.prefill([...text(30), ...text(5, 700)]);
    await session.save();
    await session.prefill(text(20, 900));
    await store.settle();
    await session.prefill([...text(30), 1, 2, 3]);
    expect(device.ran.at(-1)).toEqual([1, 2, 3]);
  });

  it("does not keep or restore less than a block", async () => {
    const { session, device } = await programs.start();
    await session.prefill(text(15));
    await session.prefill(text(40, 100));
    await session.prefill(text(15));
    expect(device.ran).toEqual([text(15), text(40, 100), text(15)]);
    await session.settle();
    expect(await programs.files()).toHaveLength(1);
  });

  it("keeps a conversation that went on in one file, and one that turned off in two", async () => {
    const { session } = await programs.start();
    await session.prefill(text(20));
    await session.save();
    await session.prefill(text(40));
    await session.save();
    await session.settle();
    expect(await programs.files()).toHaveLength(1);
    await session.prefill([...text(22), ...text(30, 500)]);
    await session.save();
    await session.settle();
    expect(await programs.files()).toHaveLength(2);
  });

  it("sees what another program wrote after it was started", async () => {
    const [one, two] = [await programs.start(), await programs.start()];
    await one.session.prefill(text(30));
    await one.session.save();
    await one.session.settle();
    await two.session.prefill(text(31));
    expect(two.device.ran).toEqual([[30]]);
  });

  it.each([
    ["another image, sinks or window", { key: "b".repeat(64) }],
    ["a cache of another size", { cacheBytes: () => 5 }],
  ])("never restores what belongs to %s", async (_, options) => {
    const first = await programs.start();
    await first.session.prefill(text(30));
    await first.session.save();
    await first.session.settle();
    const other = await programs.start(options);
    await other.session.prefill(text(30));
    expect(other.device.ran).toEqual([text(30)]);
    // It stays for whom it belongs to.
    const again = await programs.start();
    await again.session.prefill(text(30));
    expect(again.device.ran).toEqual([[29]]);
  });

  it.each([
    ["a byte of the cache", (bytes: Buffer) => bytes.writeUInt8(bytes.at(-40)! ^ 1, bytes.length - 40)],
    ["the digest", (bytes: Buffer) => bytes.writeUInt8(bytes.at(-1)! ^ 1, bytes.length - 1)],
    ["the beginning", (bytes: Buffer) => bytes.write("X", 0)],
    ["the header's length", (bytes: Buffer) => bytes.writeUInt32LE(0xffffffff, 8)],
    ["the header", (bytes: Buffer) => bytes.write("[", 12)],
  ])("refuses a file with %s changed, removes it and runs the prompt", async (_, change) => {
    const first = await programs.start();
    await first.session.prefill(text(30));
    await first.session.save();
    await first.session.settle();
    const path = join(programs.folder, (await programs.files())[0]!);
    const bytes = await readFile(path);
    change(bytes);
    await writeFile(path, bytes);
    const second = await programs.start();
    const [logits] = await second.session.prefill(text(30));
    expect(logits).toBe(seenFrom(text(30), shape));
    expect(second.device.ran).toEqual([text(30)]);
    expect(programs.count("refused")).toBe(1);
    expect(await programs.files()).toEqual([]);
  });

  it("refuses files that were cut anywhere", async () => {
    const first = await programs.start();
    await first.session.prefill(text(30));
    await first.session.save();
    await first.session.settle();
    const path = join(programs.folder, (await programs.files())[0]!);
    const bytes = await readFile(path);
    for (const length of [0, 5, 12, 60, 200, bytes.length - 1]) {
      await writeFile(path, bytes);
      await truncate(path, length);
      const { session, device } = await programs.start();
      await session.prefill(text(30));
      expect(device.ran).toEqual([text(30)]);
    }
    expect(programs.count("refused")).toBe(6);
  });

  it("keeps the folder within its limit; what was used longest ago goes first", async () => {
    const { session, store } = await programs.start();
    for (const first of [0, 1000, 2000]) {
      await session.prefill(text(30, first));
      await session.save();
    }
    await session.settle();
    const each = store.bytes / 3;
    const names = await programs.files();
    // The oldest by use is the second.
    const bySequence = new Map<number, string>();
    for (const name of names) {
      const bytes = await readFile(join(programs.folder, name));
      bySequence.set(
        [0, 1000, 2000].find((id) => bytes.includes(Buffer.from(Uint32Array.of(id, id + 1).buffer)))!,
        name,
      );
    }
    for (const [first, used] of [
      [0, 50],
      [1000, 10],
      [2000, 60],
    ] as const) {
      await utimes(join(programs.folder, bySequence.get(first)!), used, used);
    }
    const next = await programs.start({ limitBytes: Math.ceil(2.5 * each) });
    expect((await programs.files()).sort()).toEqual([bySequence.get(0)!, bySequence.get(2000)!].sort());
    expect(next.store.bytes).toBeLessThanOrEqual(2.5 * each);
    expect(programs.count("evicted")).toBe(1);
  });

  it("says what could not be kept, and the texts go on", async () => {
    const { session, device } = await programs.start({ limitBytes: 10 });
    await session.prefill(text(30));
    const [logits] = await session.prefill(text(30, 100));
    expect(logits).toBe(seenFrom(text(30, 100), shape));
    await session.settle();
    expect(programs.count("failed")).toBe(1);
    await programs.remove();
    await session.prefill(text(30));
    await session.settle();
    expect(device.ran).toHaveLength(3);
  });

  it("lets only its owner read a file, and leaves others' files alone", async () => {
    await writeFile(join(programs.folder, "notes.txt"), "mine");
    const { session } = await programs.start({ limitBytes: 3_000 });
    await session.prefill(text(30));
    await session.save();
    await session.settle();
    const [name] = (await programs.files()).filter((one) => one.endsWith(".kv"));
    expect((await stat(join(programs.folder, name!))).mode & 0o777).toBe(0o600);
    expect(await readFile(join(programs.folder, "notes.txt"), "utf8")).toBe("mine");
  });

  it("refuses a folder that cannot be one", async () => {
    const file = join(programs.folder, "file");
    await writeFile(file, "");
    await expect(programs.start({ folder: file })).rejects.toMatchObject({
      code: "SESSION_FOLDER",
      exitCode: 2,
    });
  });

  it("changes no logits, whatever was run, kept, lost and started again before", async () => {
    const step = fc.record({
      conversation: fc.integer({ min: 0, max: 2 }),
      // Goes back to the beginning, which all conversations share, or goes on.
      anew: fc.boolean(),
      said: fc.integer({ min: 1, max: 30 }),
      decode: fc.integer({ min: 0, max: 40 }),
      restart: fc.boolean(),
      limitBytes: fc.constantFrom(2_000, 5_000, 100_000),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 14 }), async (steps) => {
        await programs.remove();
        let program = await programs.start();
        const conversations = [text(10), text(18), text(25)];
        for (const { conversation, anew, said, decode, restart, limitBytes } of steps) {
          if (restart) {
            await program.session.save();
            await program.session.settle();
            program = await programs.start({ limitBytes });
          }
          const ids = anew ? text(25) : conversations[conversation]!;
          ids.push(...text(said, 100 * conversation));
          conversations[conversation] = ids;
          expect((await program.session.prefill(ids))[0]).toBe(seenFrom(ids, shape));
          for (let i = 0; i < decode; i++) {
            ids.push((i * 7) % 11);
            expect((await program.session.decode(ids.at(-1)!))[0]).toBe(seenFrom(ids, shape));
          }
          program.session.reset();
        }
        await program.session.settle();
      }),
      { numRuns: 40 },
    );
    expect(programs.count("restored")).toBeGreaterThan(20);
    expect(programs.count("refused")).toBe(0);
  });

  it("writes the format that is documented", async () => {
    const { session } = await programs.start();
    await session.prefill(text(20, 5));
    await session.save();
    await session.settle();
    const bytes = await readFile(join(programs.folder, (await programs.files())[0]!));
    expect(bytes.toString("latin1", 0, 8)).toBe("ACCLLMKV");
    const length = bytes.readUInt32LE(8);
    expect(JSON.parse(bytes.toString("utf8", 12, 12 + length))).toEqual({
      format: "accllm-sequence",
      version: 1,
      key: KEY,
      tokens: 20,
      written: 20,
      cacheBytes: 160,
    });
    expect(bytes.readUInt32LE(12 + length)).toBe(5);
    expect(bytes.length).toBe(12 + length + 80 + 160 + 32);
  });
});
