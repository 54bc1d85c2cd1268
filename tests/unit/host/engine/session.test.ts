import { describe, expect, it, vi } from "vitest";
import { DeviceError } from "../../../../host/errors.ts";
import { kernelAbiVersion } from "../../../../quant/format/platform.ts";
import { imageHeader, smallShape } from "./memory-image.ts";

import { finish, open } from "./session-fixtures.ts";

describe("Session", () => {
  it("sends the image's sections, the distance table and the command stream to the device's side", async () => {
    const progress: [number, number][] = [];
    const { session, device } = await open(finish, {
      progress: (done, total) => progress.push([done, total]),
    });
    const side = (name: string) => device.buffers.get(name)!.device;
    const header = imageHeader(smallShape);
    const bytesOf = (name: string) => header.sections.find((s) => s.name === name)!.bytes;
    expect(side("w0")).toEqual(new Uint8Array(bytesOf("w0")).fill(1));
    expect(side("w1")).toEqual(new Uint8Array(bytesOf("w1")).fill(2));
    const table = side("table");
    const size = bytesOf("table");
    expect(table.subarray(0, size)).toEqual(new Uint8Array(size).fill(3));
    // Head size 8: frequencies 1, 0.1, 0.01, 0.001; four cosines, four sines, padded to 64 bytes.
    const row = (d: number) => [...new Int16Array(table.slice(size + 64 * d, size + 64 * (d + 1)).buffer)];
    expect(row(0)).toEqual([32767, 32767, 32767, 32767, ...new Array(28).fill(0)]);
    expect(row(3).slice(0, 9)).toEqual([-32439, 31304, 32752, 32767, 4624, 9683, 983, 98, 0]);
    expect(table.length).toBe(size + 64 * 32);
    const total = 2 * bytesOf("w0") + table.length;
    expect(progress[0]).toEqual([0, total]);
    expect(progress.at(-1)).toEqual([total, total]);
    await session.close();
  });

  it("runs a prompt in blocks of sixteen and wants the last token's logits only", async () => {
    const { session, jobs } = await open(finish);
    const ids = Array.from({ length: 18 }, (_, i) => i + 1);
    const logits = await session.prefill(ids);
    expect(jobs).toEqual([
      {
        abi: kernelAbiVersion,
        commands: 3 + 14 * 2,
        tokens: ids.slice(0, 16),
        positions: ids.slice(0, 16).map((i) => i - 1),
        sinkPositions: ids.slice(0, 16).map((i) => i - 1),
        firstLogit: 16,
        statusMagic: 0,
      },
      expect.objectContaining({ tokens: [17, 18], positions: [16, 17], firstLogit: 1, statusMagic: 0 }),
    ]);
    expect(logits.length).toBe(33);
    expect(logits[0]).toBe(18017);
    expect(session.position).toBe(18);
    const next = await session.decode(5);
    expect(next[0]).toBe(5018);
    session.reset();
    expect(session.position).toBe(0);
    await session.close();
  });

  it("writes angles of the true position and of the sinks' query position, which stops at sinks + window - 1", async () => {
    let record = new DataView(new ArrayBuffer(0));
    const { session, jobs } = await open((run) => {
      const io = run.memory.io!;
      const view = new DataView(io.buffer);
      record = new DataView(io.slice(64 * view.getUint32(64 * run.job + 12, true)).buffer);
      finish(run);
    });
    session.startAt(100_000);
    await session.decode(7);
    expect(jobs[0]).toMatchObject({ tokens: [7], positions: [100_000], sinkPositions: [31] });
    const floats = Array.from({ length: 16 }, (_, i) => record.getFloat32(64 + 4 * i, true));
    const f = [1, 0.1, 0.01, 0.001];
    const expected = [100_000, 31].flatMap((p) => [
      ...f.map((w) => Math.fround(Math.cos(p * w))),
      ...f.map((w) => Math.fround(Math.sin(p * w))),
    ]);
    floats.forEach((value, i) => {
      // 10000^(-2i/8) is not the decimal fraction to the last bit; at 100,000 that shows.
      expect(value).toBeCloseTo(expected[i]!, 6);
    });
    await session.close();
  });

  it("writes each record's angles anew, wherever the token before was, and in whatever block", async () => {
    const records: { position: number; cosine: number }[] = [];
    const { session, device } = await open((run) => {
      const io = new DataView(run.memory.io!.buffer);
      const header = (word: number) => io.getUint32(64 * run.job + 4 * word, true);
      for (let t = 0; t < header(5); t++) {
        const record = 64 * (header(3) + t * header(4));
        const cosine = io.getFloat32(record + 64, true);
        records.push({ position: io.getUint32(record + 4, true), cosine });
      }
      finish(run);
    });
    await session.prefill([1, 2, 3]);
    await session.decode(4);
    await session.decode(5);
    session.startAt(500);
    await session.decode(6);
    session.startAt(2);
    await session.logitsForAll(new Array(17).fill(7));
    await session.decode(8);
    session.startAt(20);
    await session.decode(9);
    // A block that is not sent has its angles where the next token's were.
    vi.spyOn(device.buffers.get("io")!, "sync").mockImplementationOnce(() => {
      throw new DeviceError("SYNC_FAILED", "not now");
    });
    session.startAt(30);
    await expect(session.logitsForAll([1, 2])).rejects.toMatchObject({ code: "SYNC_FAILED" });
    session.startAt(21);
    await session.decode(10);
    expect(records.map(({ position }) => position)).toEqual([
      ...[0, 1, 2, 3, 4, 500],
      ...Array.from({ length: 17 }, (_, t) => 2 + t),
      ...[19, 20, 21],
    ]);
    // The first frequency is one radian a position.
    for (const { position, cosine } of records) expect(cosine).toBe(Math.fround(Math.cos(position)));
    await session.close();
  });

  it("sends a token and brings back its status and logits in one sync each", async () => {
    const { session, device } = await open(finish);
    await session.prefill([1, 2, 3]);
    const io = device.buffers.get("io")!;
    const sync = vi.spyOn(io, "sync");
    expect((await session.decode(5))[0]).toBe(5003);
    expect((await session.decode(6))[0]).toBe(6004);
    expect(sync.mock.calls.map(([direction]) => direction)).toEqual([
      "toDevice",
      "fromDevice",
      "toDevice",
      "fromDevice",
    ]);
    await session.close();
  });

  it("gives the logits of every position, across blocks", async () => {
    const { session, jobs } = await open(finish);
    const all = await session.logitsForAll(Array.from({ length: 40 }, () => 2));
    expect(all.map((logits) => logits[0])).toEqual(Array.from({ length: 40 }, (_, p) => 2000 + p));
    expect(jobs.map((job) => [job.tokens.length, job.firstLogit])).toEqual([
      [16, 0],
      [16, 0],
      [8, 0],
    ]);
    await session.close();
  });

  it("reads cycles by operation and says what a token takes at the platform's clock", async () => {
    const { session } = await open(finish);
    expect(session.modelledSecondsPerToken).toBeUndefined();
    await session.prefill([1, 2]);
    expect(session.modelledSecondsPerToken).toBeUndefined();
    await session.decode(1);
    expect(session.lastStatus).toMatchObject({ code: "ok", counters: "modelled" });
    expect(session.lastStatus?.cycles).toMatchObject({ matmul: 900n, logits: 2n ** 33n, embed: 0n });
    expect(session.modelledSecondsPerToken).toBeCloseTo((900 + 2 ** 33) / 225e6, 12);
    await session.close();
  });

  it("adds up the cycles of decoded tokens until they are taken", async () => {
    const { session } = await open(finish);
    const nothing = { matmul: 0, logits: 0, embed: 0 };
    expect(session.takeDecodeCycles()).toMatchObject({ source: "none", cycles: nothing });
    await session.prefill([1, 2]);
    for (const id of [3, 4, 5]) await session.decode(id);
    const three = { matmul: 2700, logits: 3 * 2 ** 33, embed: 0 };
    expect(session.takeDecodeCycles()).toMatchObject({ source: "modelled", cycles: three });
    expect(session.takeDecodeCycles().cycles).toMatchObject(nothing);
    await session.close();
  });

  it("models nothing where the kernel counts nothing", async () => {
    const { session } = await open((run) => finish(run, { counters: 0 }));
    await session.decode(1);
    expect(session.modelledSecondsPerToken).toBeUndefined();
    await session.close();
  });

  it.each([
    [1, "KERNEL_ABI"],
    [2, "BAD_JOB"],
    [3, "BAD_DESCRIPTOR"],
    [4, "OUT_OF_RANGE"],
    [5, "NON_FINITE"],
    [6, "RUN_ABORTED"],
    [99, "BAD_STATUS"],
  ])("turns status %i into the device error %s and stays usable", async (code, name) => {
    let broken = true;
    const { session } = await open((run) => finish(run, broken ? { code, abi: 7 } : {}));
    await expect(session.prefill([1])).rejects.toMatchObject({ code: name, exitCode: 4 });
    expect(session.position).toBe(0);
    broken = false;
    await session.prefill([1]);
    await session.close();
  });

  it("names the descriptor that the kernel refused", async () => {
    const { session } = await open((run) => finish(run, { code: 3 }));
    await expect(session.prefill([1])).rejects.toThrow(/descriptor 3 \(matmul .*destination=k/);
    await session.close();
  });

  it("notices a kernel that completes without a status, also after one that wrote it", async () => {
    let silent = false;
    const { session } = await open((run) => (silent ? undefined : finish(run)));
    await session.prefill([1]);
    silent = true;
    await expect(session.decode(1)).rejects.toMatchObject({ code: "NO_STATUS" });
    await session.close();
  });

  it.each([
    [[], "EMPTY_PROMPT"],
    [[1, 33], "BAD_TOKEN"],
    [[-1], "BAD_TOKEN"],
    [[0.5], "BAD_TOKEN"],
    [new Array(33).fill(1), "PROMPT_TOO_LONG"],
  ])("refuses the prompt %j", async (ids, code) => {
    const { session, jobs } = await open(finish);
    await expect(session.prefill(ids)).rejects.toMatchObject({ code, exitCode: 2 });
    expect(jobs).toEqual([]);
    await session.close();
  });
});
