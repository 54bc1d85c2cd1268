import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type DemoImage,
  emulatorBuilt,
  post,
  quantizeDemo,
  type RunningServer,
  startServer,
  until,
} from "./fixture.ts";

const NGINX = "/usr/sbin/nginx";
const config = fileURLToPath(new URL("../../deploy/nginx/accllm.conf", import.meta.url));

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  return typeof address === "object" && address !== null ? address.port : 0;
}

describe.skipIf(!emulatorBuilt || !existsSync(NGINX))(
  "deploy/nginx with the real nginx (needs it and the emulator built)",
  () => {
    let folder: string;
    let image: DemoImage;
    let servers: RunningServer[];
    let nginx: ChildProcess;
    let url: string;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "accllm-nginx-"));
      image = await quantizeDemo();
      servers = [await startServer(image.path), await startServer(image.path)];
      const port = await freePort();
      url = `http://127.0.0.1:${port}`;
      const site = (await readFile(config, "utf8"))
        .replace("127.0.0.1:8081", `127.0.0.1:${servers[0]!.port}`)
        .replace("127.0.0.1:8082", `127.0.0.1:${servers[1]!.port}`)
        .replace("listen 127.0.0.1:8080", `listen 127.0.0.1:${port}`);
      const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map((name) => `${name}_temp_path ${folder}/${name};`)
        .join("\n");
      const main = join(folder, "nginx.conf");
      await writeFile(
        main,
        `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
events {} http { access_log off; ${temporary}
${site} }`,
      );
      nginx = spawn(NGINX, ["-p", folder, "-c", main, "-e", `${folder}/error.log`], { stdio: "ignore" });
      await until(async () => (await fetch(`${url}/health`).catch(() => undefined))?.ok === true);
    });
    afterAll(async () => {
      nginx.kill("SIGTERM");
      await once(nginx, "exit");
      await Promise.all(servers.map(({ server }) => server.close(500)));
      await rm(folder, { recursive: true });
    });
    const request = (seed: number, more: object = {}) =>
      post(`${url}/v1/completions`, {
        model: "demo",
        prompt: "Once upon a time",
        max_tokens: 30,
        ignore_eos: true,
        seed,
        ...more,
      });

    it("streams through, and shares the requests out", async () => {
      const answers = await Promise.all(
        Array.from({ length: 6 }, (_, seed) => request(seed, { stream: true })),
      );
      for (const answer of answers) expect(await answer.text()).toMatch(/data: \[DONE\]\n\n$/);
      for (const { logged } of servers) {
        expect(logged.filter((line) => line.includes('"stream ended"')).length).toBeGreaterThan(0);
      }
      expect((await fetch(`${url}/metrics`)).status).toBe(404);
    });

    it("loses no request that had not begun when a server dies under load, and tells the rest", async () => {
      const alone: string[] = [];
      for (let seed = 0; seed < 12; seed++) {
        alone.push(((await (await request(seed)).json()) as { choices: [{ text: string }] }).choices[0].text);
      }
      const dying = servers[0]!.server;
      const outcomes = Array.from({ length: 12 }, async (_, seed) => {
        const response = await request(seed, { stream: true });
        expect(response.status).toBe(200);
        // It has begun: from here on it may be cut short, and then the client must see that.
        const text = await response.text().catch(() => "");
        if (!text.endsWith("data: [DONE]\n\n")) return "told";
        const parts = text.split("\n\n").filter((event) => event.startsWith("data: {"));
        const whole = parts
          .map((event) => (JSON.parse(event.slice(6)) as { choices: [{ text: string }] }).choices[0].text)
          .join("");
        expect(whole).toBe(alone[seed]);
        return "whole";
      });
      await until(() => dying.service.queue.running && dying.service.queue.depth > 0);
      await dying.close(0);
      const ends = await Promise.all(outcomes);
      expect(ends.filter((end) => end === "told").length).toBeLessThanOrEqual(1);
      expect(ends.filter((end) => end === "whole").length).toBeGreaterThanOrEqual(11);
      // What comes later goes to the other server.
      expect((await request(0)).status).toBe(200);
    });
  },
);
