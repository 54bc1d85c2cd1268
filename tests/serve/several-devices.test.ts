import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type OpenModel, openModel } from "../../host/engine/open-model.ts";
import { DeviceError } from "../../host/errors.ts";
import { emulatorBuilt, post, quantizeDemo, type RunningServer, startServer, until } from "./fixture.ts";

/** Engines behind one queue: what is theirs together, and what one of them has alone. */
describe.runIf(emulatorBuilt)("a server with several devices (needs build/native)", () => {
  let running: RunningServer;
  let path: string;
  /** Models as they were loaded. */
  const models: OpenModel[] = [];
  /** Devices whose next decode fails. */
  const failing = new Set<OpenModel>();

  async function load(): Promise<OpenModel> {
    const model = await openModel(path, { threads: 1 });
    const decode = model.session.decode.bind(model.session);
    model.session.decode = async (id, signal) => {
      if (failing.delete(model)) throw new DeviceError("DEVICE_LOST", "The device was lost.");
      return decode(id, signal);
    };
    models.push(model);
    return model;
  }

  beforeAll(async () => {
    ({ path } = await quantizeDemo());
    running = await startServer(path, { load: [load, load], retryMs: [20], queueLimit: 50 });
  });
  afterAll(async () => {
    await running.server.close(1_000);
  });

  const complete = (prompt: string, tokens: number) =>
    post(`${running.url}/v1/completions`, {
      model: "demo",
      prompt,
      max_tokens: tokens,
      temperature: 0,
      ignore_eos: true,
    });
  const text = async (response: Response) =>
    ((await response.json()) as { choices: { text: string }[] }).choices[0]!.text;
  const metric = async (name: string) => {
    const metrics = await (await fetch(`${running.url}/metrics`)).text();
    return Number(new RegExp(`^${name} (.*)$`, "m").exec(metrics)?.[1]);
  };
  const reused = () => metric('accllm_tokens_total\\{kind="reused"\\}');
  const state = async () => (await (await fetch(`${running.url}/state`)).json()) as Record<string, unknown>;

  it("works on as many requests at a time as it has devices, with the same texts", async () => {
    const { queue } = running.server.service;
    const answers = ["Once", "The", "One day", "A girl"].map((prompt) => complete(prompt, 60));
    await until(() => queue.active === 2);
    expect(await metric("accllm_running")).toBe(2);
    expect(await metric("accllm_devices")).toBe(2);
    const texts = await Promise.all(answers.map(async (answer) => text(await answer)));
    const again = [];
    for (const prompt of ["Once", "The", "One day", "A girl"])
      again.push(await text(await complete(prompt, 60)));
    expect(texts).toEqual(again);
    expect(queue.active).toBe(0);
  });

  it("sends a text to the device that has its beginning in the cache", async () => {
    const told = await Promise.all([complete("Lily had a red ball", 30), complete("Tom saw a big dog", 30)]);
    const [lily, tom] = (await Promise.all(told.map(text))) as [string, string];
    const before = await reused();
    for (const prompt of [`Tom saw a big dog${tom}`, `Lily had a red ball${lily}`]) {
      await (await complete(prompt, 5)).text();
    }
    // Nearly all of both: a device that had the other text would have reused a token.
    expect((await reused()) - before).toBeGreaterThan(2 * 25);
  });

  it("goes on with the others when one is lost, which comes back", async () => {
    const loaded = models.length;
    failing.add(running.server.service.engines[0]!.model as OpenModel);
    // Both devices get work; the one that fails ends its own request only.
    const answers = await Promise.all([complete("Once", 200), complete("The", 200)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 503]);
    expect((await fetch(`${running.url}/health`)).status).toBe(200);
    expect((await complete("A cat", 5)).status).toBe(200);
    await until(
      () => models.length === loaded + 1 && running.server.service.engines.every(({ model }) => model),
    );
    expect(await metric("accllm_devices")).toBe(2);
    expect(await state()).toMatchObject({ devices: [{ state: "ready" }, { state: "ready" }] });
  });

  it("tells those who wait when the last device is lost", async () => {
    const loaded = models.length;
    for (const engine of running.server.service.engines) failing.add(engine.model as OpenModel);
    const statuses = (await Promise.all(["a", "b", "c", "d"].map((prompt) => complete(prompt, 50)))).map(
      ({ status }) => status,
    );
    expect(statuses).toEqual([503, 503, 503, 503]);
    failing.clear();
    await until(() => models.length >= loaded + 2 && running.server.service.state === "ready");
    expect((await complete("A cat", 5)).status).toBe(200);
  });
});
