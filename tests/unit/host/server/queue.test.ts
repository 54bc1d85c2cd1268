import { describe, expect, it } from "vitest";
import { DeviceQueue, QueueFull } from "../../../../host/server/queue.ts";

const never = new AbortController().signal;

/** A job that ends when it is told to. */
function job() {
  let end!: () => void;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  return { end, work: () => ended };
}

describe("DeviceQueue", () => {
  it("runs one job at a time, in the order in which they came", async () => {
    const queue = new DeviceQueue(10);
    const order: string[] = [];
    let running = 0;
    const jobs = ["a", "b", "c", "d"].map((name) =>
      queue.run(never, async () => {
        running++;
        expect(running).toBe(1);
        order.push(name);
        await new Promise((resolve) => setTimeout(resolve, name === "a" ? 5 : 1));
        running--;
      }),
    );
    expect(queue.depth).toBe(3);
    await Promise.all(jobs);
    expect(order).toEqual(["a", "b", "c", "d"]);
    expect(queue.running).toBe(false);
  });

  it("refuses what is over its bound at once, and takes jobs again later", async () => {
    const queue = new DeviceQueue(1);
    const first = job();
    const second = job();
    const running = queue.run(never, first.work);
    const waiting = queue.run(never, second.work);
    const refused = await queue.run(never, first.work).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(QueueFull);
    expect((refused as QueueFull).retryAfterSeconds).toBeGreaterThanOrEqual(1);
    first.end();
    await running;
    second.end();
    await waiting;
    expect(await queue.run(never, async () => 7)).toBe(7);
  });

  it("lets a waiting job leave; the others keep their order", async () => {
    const queue = new DeviceQueue(5);
    const first = job();
    const order: number[] = [];
    const running = queue.run(never, first.work);
    const leave = new AbortController();
    const gone = queue.run(leave.signal, async () => void order.push(1));
    const stays = queue.run(never, async () => void order.push(2));
    leave.abort(new Error("left"));
    await expect(gone).rejects.toThrow("left");
    expect(queue.depth).toBe(1);
    first.end();
    await Promise.all([running, stays]);
    expect(order).toEqual([2]);
  });

  it("goes on after a job that fails", async () => {
    const queue = new DeviceQueue(5);
    const failing = queue.run(never, async () => {
      throw new Error("broken");
    });
    const next = queue.run(never, async () => "fine");
    await expect(failing).rejects.toThrow("broken");
    expect(await next).toBe("fine");
    await queue.idle();
  });

  it("does not begin a job whose signal has fired", async () => {
    const queue = new DeviceQueue(5);
    let begun = false;
    const work = async () => {
      begun = true;
    };
    await expect(queue.run(AbortSignal.abort(new Error("over")), work)).rejects.toThrow("over");
    expect(begun).toBe(false);
    expect(queue.running).toBe(false);
  });

  describe("a job that gives way between its parts", () => {
    /** A job of three parts that writes down what it does. */
    const parts = (queue: DeviceQueue, order: string[], signal = never) =>
      queue.run(signal, async ({ giveWay }) => {
        for (const part of [1, 2, 3]) {
          if (part > 1) await giveWay();
          order.push(`part ${part}`);
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
      });

    it("lets those who wait go first, and has the device alone in between", async () => {
      const queue = new DeviceQueue(2);
      const order: string[] = [];
      const long = parts(queue, order);
      const others = ["a", "b"].map((name) => queue.run(never, async () => void order.push(name)));
      expect(queue.depth).toBe(2);
      await Promise.all([long, ...others]);
      expect(order).toEqual(["part 1", "a", "b", "part 2", "part 3"]);
      expect(queue.running).toBe(false);
    });

    it("does not make the line longer than its bound", async () => {
      const queue = new DeviceQueue(1);
      const order: string[] = [];
      const long = parts(queue, order);
      const other = job();
      const waiting = queue.run(never, other.work);
      await new Promise((resolve) => setTimeout(resolve, 20));
      // The other runs, the long one waits in the only place.
      expect(queue.depth).toBe(1);
      await expect(queue.run(never, async () => undefined)).rejects.toThrow(QueueFull);
      other.end();
      await Promise.all([waiting, long]);
      expect(order).toEqual(["part 1", "part 2", "part 3"]);
    });

    it("leaves the line when it is given up there, and the device to the other", async () => {
      const queue = new DeviceQueue(2);
      const stop = new AbortController();
      const order: string[] = [];
      const long = parts(queue, order, stop.signal);
      const other = job();
      const waiting = queue.run(never, other.work);
      await new Promise((resolve) => setTimeout(resolve, 20));
      const given = expect(long).rejects.toThrow("gone");
      stop.abort(new Error("gone"));
      await given;
      expect([queue.depth, queue.running]).toEqual([0, true]);
      other.end();
      await waiting;
      await queue.idle();
      expect(order).toEqual(["part 1"]);
    });
  });

  it("gives every device to one job at a time, the one that rests longest first, or the one that is preferred", async () => {
    const queue = new DeviceQueue(10, 3);
    const places: number[] = [];
    const note = async ({ place }: { place: number }) => void places.push(place);
    for (let i = 0; i < 4; i++) await queue.run(never, note);
    await queue.run(never, note, { prefer: (place) => (place === 0 ? 5 : 1) });
    expect(places).toEqual([0, 1, 2, 0, 0]);
    const jobs = [job(), job(), job(), job()];
    const running = jobs.map(({ work }) => queue.run(never, work));
    expect([queue.active, queue.depth, queue.running]).toEqual([3, 1, true]);
    jobs[1]!.end();
    await running[1];
    expect([queue.active, queue.depth]).toEqual([3, 0]);
    for (const { end } of jobs) end();
    await queue.idle();
    expect(queue.active).toBe(0);
  });

  it("gives a withdrawn device to nobody until it is restored", async () => {
    const queue = new DeviceQueue(10, 2);
    const first = job();
    const running = queue.run(never, async ({ place }) => {
      queue.withdraw(place, new Error("lost"));
      await first.work();
    });
    const places: number[] = [];
    const note = async ({ place }: { place: number }) => void places.push(place);
    await queue.run(never, note);
    await queue.run(never, note);
    first.end();
    await running;
    await queue.run(never, note);
    expect(places).toEqual([1, 1, 1]);
    queue.restore(0);
    queue.restore(0);
    await queue.run(never, note);
    await queue.run(never, note);
    expect(places.slice(3).sort()).toEqual([0, 1]);
  });

  it("tells those who wait when the last device is withdrawn, and goes on when one is restored", async () => {
    const queue = new DeviceQueue(10, 2);
    const jobs = [job(), job()];
    const running = jobs.map(({ work }) => queue.run(never, work));
    const waiting = queue.run(never, async () => undefined);
    queue.withdraw(0, new Error("first"));
    queue.withdraw(1, new Error("second"));
    await expect(waiting).rejects.toThrow("second");
    const later = queue.run(never, async ({ place }) => place);
    for (const { end } of jobs) end();
    await Promise.all(running);
    expect([queue.active, queue.depth]).toEqual([0, 1]);
    queue.restore(1);
    expect(await later).toBe(1);
  });

  it("runs a job on a device only if that rests", async () => {
    const queue = new DeviceQueue(10, 2);
    const held = job();
    const running = queue.run(never, held.work);
    let ran = 0;
    const count = async () => void ran++;
    expect(await queue.runIfFree(0, count)).toBe(false);
    expect(await queue.runIfFree(1, count)).toBe(true);
    held.end();
    await running;
    expect(ran).toBe(1);
  });
});
