import { describe, expect, it } from "vitest";
import { InterruptedError } from "../../../../host/errors.ts";
import { finish, open } from "./session-fixtures.ts";

/** 200 tokens, of which the token of position p is p % 7: twelve whole blocks and a half. */
const prompt = Array.from({ length: 200 }, (_, p) => p % 7);

const wide = { window: 300 };

describe("blocks of a prompt", () => {
  it("wait for the kernel while one runs, at most six without results, and run in order", async () => {
    const underWay: number[] = [];
    let ended = 0;
    const { session, device, jobs } = await open((run) => {
      underWay.push(device.started - ended);
      ended++;
      finish(run);
    }, wide);
    const logits = await session.prefill(prompt);
    expect(logits[0]).toBe(1000 * (199 % 7) + 199);
    expect(jobs.flatMap(({ tokens }) => tokens)).toEqual(prompt);
    expect(jobs.flatMap(({ positions }) => positions)).toEqual(prompt.map((_, p) => p));
    expect(jobs.map(({ firstLogit }) => firstLogit)).toEqual([...Array(12).fill(16), 7]);
    expect(jobs.every(({ statusMagic }) => statusMagic === 0)).toBe(true);
    expect(Math.max(...underWay)).toBe(6);
    expect(session.position).toBe(200);
    await session.close();
  });

  it("are counted up to one that fails, whose error is told once those behind it have ended", async () => {
    let ran = 0;
    const { session, device } = await open(async (run) => {
      await new Promise((resolve) => setImmediate(resolve));
      finish(run, ++ran === 3 ? { code: 6 } : {});
    }, wide);
    await expect(session.prefill(prompt)).rejects.toMatchObject({ name: "DeviceError" });
    expect(session.position).toBe(32);
    expect(session.lastStatus).toBeUndefined();
    // Two ended before the third, with which five others were under way.
    expect([ran, device.started]).toEqual([8, 8]);
    session.reset();
    expect((await session.prefill([5]))[0]).toBe(5000);
    await session.close();
  });

  it("end with an interruption", async () => {
    const controller = new AbortController();
    let ran = 0;
    const { session } = await open((run) => {
      if (run.options.signal?.aborted) throw new InterruptedError();
      if (++ran === 2) controller.abort();
      finish(run);
    }, wide);
    await expect(session.prefill(prompt, controller.signal)).rejects.toThrow(InterruptedError);
    expect(ran).toBe(2);
    expect(session.position).toBe(32);
    await session.close();
  });

  it("of which each one's results are wanted run one by one", async () => {
    const underWay: number[] = [];
    let ended = 0;
    const { session, device } = await open((run) => {
      underWay.push(device.started - ended);
      ended++;
      finish(run);
    }, wide);
    expect((await session.logitsForAll(prompt)).map(([first]) => first)).toEqual(
      prompt.map((id, p) => 1000 * id + p),
    );
    expect(underWay).toEqual(Array(13).fill(1));
    await session.close();
  });
});
