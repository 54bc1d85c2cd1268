import { expect, it } from "vitest";
import { Exclusive } from "../../../../host/engine/exclusive.ts";

it("lets one call at a time, and the next one when that has ended", () => {
  const calls = new Exclusive();
  calls.begin(undefined);
  expect(() => calls.begin(undefined)).toThrow(expect.objectContaining({ code: "SESSION_BUSY" }));
  calls.end();
  expect(calls.begin(undefined).aborted).toBe(false);
});

it("begins nothing for a caller that has given up", () => {
  const calls = new Exclusive();
  expect(() => calls.begin(AbortSignal.abort())).toThrow();
  calls.checkIdle();
});

it("closes when the call under way has ended, for everybody who waits, and tells it to end", async () => {
  const calls = new Exclusive();
  const stop = calls.begin(undefined);
  const order: string[] = [];
  const closing = ["first", "second"].map((name) => calls.close().then(() => order.push(name)));
  await new Promise((resolve) => setImmediate(resolve));
  expect([stop.aborted, order]).toEqual([true, []]);
  calls.end();
  await Promise.all(closing);
  expect(order).toEqual(["first", "second"]);
  expect(() => calls.begin(undefined)).toThrow(expect.objectContaining({ code: "SESSION_CLOSED" }));
});
