import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { packageRoot } from "../../host/config/paths.ts";
import { nginxPath } from "../../scripts/setup/nginx.mjs";
import { bundleProgram } from "../unit/host/cli/bundle.ts";
import { type DemoImage, emulatorBuilt, post, quantizeDemo, until } from "./fixture.ts";
import { type ServerProcess, startServerProcess } from "./server-process.ts";

const nginxProgram = nginxPath(join(packageRoot, "build"));
const config = fileURLToPath(new URL("../../deploy/nginx/accllm.conf", import.meta.url));

/** Different texts; a client asks for one of them. */
const SEEDS = 12;
const CLIENTS = 48;

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** Text of a stream's events; undefined where it was cut. */
function streamedText(body: string): string | undefined {
  if (!body.endsWith("data: [DONE]\n\n")) return undefined;
  return body
    .split("\n\n")
    .filter((event) => event.startsWith("data: {"))
    .map((event) => (JSON.parse(event.slice(6)) as { choices: [{ text: string }] }).choices[0].text)
    .join("");
}

describe.skipIf(!emulatorBuilt || nginxProgram === undefined)(
  "deploy/nginx with the real nginx before two server processes (needs it and the emulator built)",
  () => {
    let folder: string;
    let program: string;
    let image: DemoImage;
    let servers: ServerProcess[];
    let nginx: ChildProcess;
    let url: string;
    beforeAll(async () => {
      image = await quantizeDemo();
      program = await bundleProgram();
    });
    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), "accllm-nginx-"));
      const start = () => startServerProcess(program, image.path, ["--drain", "0", "--threads", "1"]);
      servers = await Promise.all([start(), start()]);
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
      nginx = spawn(nginxProgram!, ["-p", folder, "-c", main, "-e", `${folder}/error.log`], {
        stdio: "ignore",
      });
      await until(async () => (await fetch(`${url}/health`).catch(() => undefined))?.ok === true);
    });
    afterEach(async () => {
      nginx.kill("SIGTERM");
      await once(nginx, "exit");
      await Promise.all(servers.map((server) => server.end("SIGKILL")));
      await rm(folder, { recursive: true });
    });
    const request = (seed: number, more: object = {}) =>
      post(`${url}/v1/completions`, {
        model: "demo",
        prompt: "Once upon a time",
        max_tokens: 60,
        ignore_eos: true,
        seed,
        ...more,
      });
    const wholeText = async (response: Response) =>
      ((await response.json()) as { choices: [{ text: string }] }).choices[0].text;

    it("streams through, and shares the requests out", async () => {
      const answers = await Promise.all(
        Array.from({ length: 6 }, (_, seed) => request(seed, { stream: true })),
      );
      for (const answer of answers) expect(streamedText(await answer.text())).toBeDefined();
      for (const { url: server } of servers) {
        const metrics = await (await fetch(`${server}/metrics`)).text();
        const answered = /accllm_requests_total\{route="\/v1\/completions",status="200"\} (\d+)/.exec(
          metrics,
        );
        expect(Number(answered?.[1])).toBeGreaterThan(0);
      }
      expect((await fetch(`${url}/metrics`)).status).toBe(404);
    });

    it.each(["SIGKILL", "SIGTERM"] as const)(
      "loses no request that had not begun when a server ends by %s under load, and tells the rest",
      async (signal) => {
        const alone: string[] = [];
        for (let seed = 0; seed < SEEDS; seed++) alone.push(await wholeText(await request(seed)));
        const outcomes = Array.from({ length: CLIENTS }, async (_, client) => {
          const seed = client % SEEDS;
          const stream = client % 2 === 0;
          const response = await request(seed, { stream });
          expect(response.status).toBe(200);
          if (!stream) {
            expect(await wholeText(response)).toBe(alone[seed]);
            return "whole";
          }
          // It has begun: from here on it may be cut short, and then the client must see that.
          const text = streamedText(await response.text().catch(() => ""));
          if (text === undefined) return "told";
          expect(text).toBe(alone[seed]);
          return "whole";
        });
        const dying = servers[0]!;
        await until(async () => {
          const { queue } = (await (await fetch(`${dying.url}/state`)).json()) as {
            queue: { running: boolean; waiting: number };
          };
          return queue.running && queue.waiting > 5;
        });
        await dying.end(signal);
        const ends = await Promise.all(outcomes);
        // A device works on one text at a time: no more can have begun.
        expect(ends.filter((end) => end === "told").length).toBeLessThanOrEqual(1);
        expect(ends.filter((end) => end === "whole").length).toBeGreaterThanOrEqual(CLIENTS - 1);
        // What comes later goes to the other server.
        for (let i = 0; i < 4; i++) expect((await request(i)).status).toBe(200);
      },
    );
  },
);
