import { describe, expect, it } from "vitest";
import { Session, type SessionOptions } from "../../../../host/engine/session.ts";
import { InterruptedError } from "../../../../host/errors.ts";
import { FakeDevice, type FakeRun } from "./fake-device.ts";
import { filledImage, imageHeader, smallShape } from "./memory-image.ts";

/** What the fake kernel found in one job, read by offsets written down here and not taken from the code. */
interface SeenJob {
  abi: number;
  commands: number;
  tokens: number[];
  positions: number[];
  sinkPositions: number[];
  firstLogit: number;
  statusMagic: number;
}

function seen({ memory, job }: FakeRun): SeenJob {
  const io = new DataView(memory.io!.buffer);
  const header = (word: number) => io.getUint32(64 * job + 4 * word, true);
  const record = (token: number, word: number) =>
    io.getUint32(64 * (header(3) + token * header(4)) + 4 * word, true);
  const all = (word: number) => Array.from({ length: header(5) }, (_, t) => record(t, word));
  return {
    abi: header(0),
    commands: header(2),
    tokens: all(0),
    positions: all(1),
    sinkPositions: all(2),
    firstLogit: header(6),
    statusMagic: io.getUint32(64 * header(7), true),
  };
}

/** Finishes a job: logits of token t are [1000 * token id + position, 0, 0, ...]. */
function finish(run: FakeRun, { code = 0, abi = 1, cycles = 900n, counters = 1 } = {}): void {
  const io = new DataView(run.memory.io!.buffer);
  const header = (word: number) => io.getUint32(64 * run.job + 4 * word, true);
  const status = 64 * header(7);
  [0x4c434341, code, 3, abi, counters].forEach((word, i) => {
    io.setUint32(status + 4 * i, word, true);
  });
  io.setBigUint64(status + 64 + 8 * 3, cycles, true);
  io.setBigUint64(status + 64 + 8 * 8, 2n ** 33n, true);
  const last = 64 * (header(1) + header(2) - 1);
  const [ioOffset, rowBeats] = [io.getUint32(last + 24, true), io.getUint32(last + 32, true)];
  const { tokens, positions } = seen(run);
  for (let t = header(6); t < tokens.length; t++) {
    io.setFloat32(64 * (ioOffset + t * rowBeats), 1000 * tokens[t]! + positions[t]!, true);
  }
}

async function open(
  execute: (run: FakeRun) => Promise<void> | void,
  options: Partial<SessionOptions> = {},
): Promise<{ session: Session; device: FakeDevice; jobs: SeenJob[] }> {
  const jobs: SeenJob[] = [];
  const device = new FakeDevice((run) => {
    jobs.push(seen(run));
    return execute(run);
  });
  const session = await Session.open({ device, image: filledImage(imageHeader(smallShape)), ...options });
  return { session, device, jobs };
}

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
        abi: 1,
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
    expect(logits[0]).toBe(18017);
    session.reset();
    expect(session.position).toBe(0);
    await session.close();
  });

  it("writes angles of the true position and of the sinks' query position, which stops at sinks + window - 1", async () => {
    let record = new DataView(new ArrayBuffer(0));
    const { session, jobs } = await open((run) => {
      const io = run.memory.io!;
      const view = new DataView(io.buffer);
      record = new DataView(io.slice(64 * view.getUint32(12, true)).buffer);
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

  it("runs one call at a time", async () => {
    let release = () => {};
    const { session } = await open(async (run) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      finish(run);
    });
    const first = session.prefill([1, 2]);
    await expect(session.decode(1)).rejects.toMatchObject({ code: "SESSION_BUSY" });
    expect(() => session.reset()).toThrow(expect.objectContaining({ code: "SESSION_BUSY" }));
    release();
    expect((await first)[0]).toBe(2001);
    await session.close();
  });

  /** A kernel that runs until its signal fires. */
  const untilAborted = ({ options }: FakeRun) =>
    new Promise<void>((_, reject) => {
      options.signal?.addEventListener("abort", () => reject(new InterruptedError()));
    });

  it("passes the caller's signal to the run, and does not start once it has fired", async () => {
    const { session, jobs } = await open(untilAborted);
    const stop = new AbortController();
    const call = session.prefill([1], stop.signal);
    stop.abort();
    await expect(call).rejects.toMatchObject({ exitCode: 130 });
    await expect(session.decode(1, stop.signal)).rejects.toMatchObject({ exitCode: 130 });
    expect(jobs.length).toBe(1);
    expect(session.position).toBe(0);
    await session.close();
  });

  it("ends a running call before it frees anything, buffers before the kernel, and closes once", async () => {
    const { session, device } = await open(
      ({ options }) =>
        new Promise<void>((_, reject) => {
          options.signal?.addEventListener("abort", () =>
            setImmediate(() => {
              device.log.push("run ended");
              reject(new InterruptedError());
            }),
          );
        }),
      { ownsDevice: true },
    );
    const call = expect(session.prefill([1])).rejects.toMatchObject({ exitCode: 130 });
    await Promise.all([session.close(), session.close()]);
    await call;
    expect(device.log).toEqual([
      "open accllm",
      "run ended",
      "close io",
      "close table",
      "close kv0",
      "close w1",
      "close w0",
      "close kernel",
      "close device",
    ]);
    await session.close();
    await expect(session.decode(1)).rejects.toMatchObject({ code: "SESSION_CLOSED" });
    session.reset();
    expect(device.log.length).toBe(9);
  });

  it("leaves a device open that it does not own", async () => {
    const { session, device } = await open(finish);
    await session.close();
    expect(device.log.at(-1)).toBe("close kernel");
  });

  it("frees what it had when opening fails: no memory, unreadable image, interruption, unknown kernel", async () => {
    const device = new FakeDevice();
    const image = filledImage(imageHeader(smallShape));
    const options = { device, image, ownsDevice: true };
    device.failAllocation = "table";
    await expect(Session.open(options)).rejects.toMatchObject({ code: "BUFFER_ALLOCATION" });
    const closed = ["close kv0", "close w1", "close w0", "close kernel", "close device"];
    expect(device.log.splice(0)).toEqual(["open accllm", ...closed]);

    device.failAllocation = undefined;
    const broken = { ...image, readSection: () => Promise.reject(new Error("unreadable")) };
    await expect(Session.open({ ...options, image: broken })).rejects.toThrow("unreadable");
    expect(device.log.splice(0)).toEqual(["open accllm", "close io", "close table", ...closed]);

    const stop = new AbortController();
    const stopping = { ...image, readSection: async () => stop.abort() };
    await expect(Session.open({ ...options, image: stopping, signal: stop.signal })).rejects.toMatchObject({
      exitCode: 130,
    });
    expect(device.log.splice(0)).toEqual(["open accllm", "close io", "close table", ...closed]);

    device.argumentNames = ["a", "b"];
    await expect(Session.open(options)).rejects.toMatchObject({ code: "UNKNOWN_KERNEL" });
    expect(device.log).toEqual(["open accllm", "close kernel", "close device"]);
  });

  it("reads traces of the last block, codes after their scale, the head's only where logits are wanted", async () => {
    const { session, device } = await open(finish, { trace: true });
    expect(() => session.trace()).toThrow(expect.objectContaining({ code: "NO_TRACE" }));
    await session.prefill([4, 5, 6]);
    const { dumps } = session.plan.forward;
    const io = new DataView(device.buffers.get("io")!.device.buffer);
    // The second dump is the first layer's a.
    io.setFloat32(64 * (dumps[1]!.ioOffset + dumps[1]!.rowBeats), 0.5, true);
    io.setFloat32(64 * (dumps[1]!.ioOffset + dumps[1]!.rowBeats) + 4, -127, true);
    const trace = session.trace();
    expect(trace.length).toBe(3 * (1 + 13 * 2) + 1);
    expect(trace[0]).toMatchObject({ operation: "embed", buffer: "x", layer: undefined, position: 0 });
    expect(trace[4]).toMatchObject({ operation: "norm", buffer: "a", layer: 0, position: 1 });
    expect([...trace[4]!.values]).toEqual([0.5, -127, ...new Array(19).fill(0)]);
    expect(trace.at(-1)).toMatchObject({ operation: "norm", layer: undefined, position: 2 });
    await session.close();
  });

  it("reads one layer's cache from the device's side", async () => {
    const { session, device } = await open(finish);
    const { layerBeats } = session.plan.kv;
    const kv = device.buffers.get("kv0")!.device;
    kv[64 * layerBeats] = 77;
    const bytes = session.readKv(1, 0);
    expect(bytes.length).toBe(64 * layerBeats);
    expect(bytes[0]).toBe(77);
    session.clearKv();
    expect(kv[64 * layerBeats]).toBe(0);
    await session.close();
  });
});
