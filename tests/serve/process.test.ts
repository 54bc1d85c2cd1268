import { describe, expect, it } from "vitest";
import { openModel } from "../../host/engine/open-model.ts";
import { DeviceError } from "../../host/errors.ts";
import { Server } from "../../host/server/server.ts";
import { accllm } from "../unit/host/cli/harness.ts";
import { emulatorBuilt, post, quantizeDemo, startServer, until } from "./fixture.ts";

describe.skipIf(!emulatorBuilt)("accllm serve from start to end (needs the emulator built)", () => {
  it("says where it listens, serves, and drains when it is told to end", async () => {
    const image = await quantizeDemo();
    const stop = new AbortController();
    let url = "";
    let begun = false;
    const services = {
      openModel,
      server: async (options: ConstructorParameters<typeof Server>[0]) => {
        const server = new Server(options);
        const listen = server.listen.bind(server);
        server.listen = async () => {
          url = await listen();
          return url;
        };
        return server;
      },
    };
    const ended = accllm(["serve", image.path, "--port", "0", "--json"], { services, signal: stop.signal });
    await until(async () => url !== "" && (await fetch(`${url}/health`)).ok);
    const answer = post(`${url}/v1/completions`, {
      model: "demo",
      prompt: "Once",
      max_tokens: 400,
      ignore_eos: true,
      stream: true,
    }).then(async (response) => {
      begun = true;
      return response.text();
    });
    await until(() => begun);
    stop.abort();
    await until(async () => (await fetch(`${url}/health`)).status === 503);
    const refused = await post(`${url}/v1/completions`, { model: "demo", prompt: "Once" });
    expect(refused.status).toBe(503);
    expect(await answer).toMatch(/data: \[DONE\]\n\n$/);
    const { code, stdout, stderr } = await ended;
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ type: "listening", url, model: "demo" });
    expect(stderr).toContain("shutting down");
    expect(stderr).not.toContain("Once");
    await expect(fetch(`${url}/health`)).rejects.toThrow();
  });

  it("ends with 3 for a bad image and 2 for a port in use", async () => {
    const services = {
      openModel,
      server: async (options: ConstructorParameters<typeof Server>[0]) => new Server(options),
    };
    const bad = await accllm(["serve", "package.json", "--port", "0"], { services });
    expect(bad.code).toBe(3);
    const image = await quantizeDemo();
    const first = await startServer(image.path);
    const second = await accllm(["serve", image.path, "--port", String(first.port)], { services });
    expect(second).toMatchObject({ code: 2 });
    expect(second.stderr).toContain("in use");
    await first.server.close(0);
  });

  it("a lost device is opened again; until then the health says so", async () => {
    const image = await quantizeDemo();
    let broken = false;
    let opened = 0;
    const { server, url } = await startServer(image.path, {
      retryMs: [30],
      load: async () => {
        opened++;
        if (opened === 2) throw new DeviceError("NO_DEVICE", "still gone");
        const model = await openModel(image.path);
        const decode = model.session.decode.bind(model.session);
        model.session.decode = async (id, signal) => {
          if (broken) throw new DeviceError("LOST", "a fault under /some/path");
          return decode(id, signal);
        };
        return model;
      },
    });
    const request = { model: "demo", prompt: "Once", max_tokens: 5, seed: 1 };
    const before = (await (await post(`${url}/v1/completions`, request)).json()) as { choices: unknown };
    broken = true;
    const failed = await post(`${url}/v1/completions`, request);
    broken = false;
    expect(failed.status).toBe(503);
    expect(await failed.text()).not.toContain("/some/path");
    const health = await fetch(`${url}/health`);
    expect([health.status, await health.json()]).toEqual([503, { status: "lost" }]);
    await until(async () => (await fetch(`${url}/health`)).ok);
    expect(opened).toBe(3);
    const after = (await (await post(`${url}/v1/completions`, request)).json()) as { choices: unknown };
    expect(after.choices).toEqual(before.choices);
    expect(await (await fetch(`${url}/metrics`)).text()).toContain("accllm_device_errors_total 1");
    await server.close(0);
  });

  it("a request that takes too long is told so, and the next one is served", async () => {
    const image = await quantizeDemo();
    const { server, url } = await startServer(image.path, { deadlineMs: 150 });
    const slow = { model: "demo", prompt: "Once", max_tokens: 4_000, ignore_eos: true };
    const late = await post(`${url}/v1/completions`, slow);
    expect(late.status).toBe(504);
    const stream = await (await post(`${url}/v1/completions`, { ...slow, stream: true })).text();
    expect(stream).toContain('"code":"deadline_exceeded"');
    expect(stream).not.toContain("[DONE]");
    expect((await post(`${url}/v1/completions`, { ...slow, max_tokens: 1 })).status).toBe(200);
    await server.close(0);
  });

  it("takes prompts over the window where it is told to, and gives what the chat verb would", async () => {
    const image = await quantizeDemo();
    const window = { sinks: 4, window: 60 };
    const request = { model: "demo", prompt: "the little dog ran home ".repeat(40), max_tokens: 20, seed: 3 };
    const short = await startServer(image.path, {}, window);
    const refused = await post(`${short.url}/v1/completions`, request);
    expect(refused.status).toBe(400);
    expect(await refused.text()).toContain("context_length_exceeded");
    await short.server.close(0);
    const long = await startServer(image.path, {}, { ...window, longPrompts: true });
    const first = (await (await post(`${long.url}/v1/completions`, request)).json()) as { choices: unknown };
    await post(`${long.url}/v1/completions`, { ...request, prompt: "Once", max_tokens: 100 });
    const again = (await (await post(`${long.url}/v1/completions`, request)).json()) as { choices: unknown };
    expect(again.choices).toEqual(first.choices);
    await long.server.close(0);
  });
});
