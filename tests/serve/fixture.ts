import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { emulatorLibraryPath } from "../../host/device/native.ts";
import { type OpenModelOptions, openModel } from "../../host/engine/open-model.ts";
import { Server, type ServerOptions } from "../../host/server/server.ts";
import { quantizeCheckpoint } from "../../quant/passes/quantize.ts";
import { demoCheckpoint } from "../unit/shared-data.ts";

/** These tests run the real engine; where it is not built they are skipped by this. */
export const emulatorBuilt = existsSync(emulatorLibraryPath());

/** An image of the demo model in a folder of its own. */
export interface DemoImage {
  readonly path: string;
  remove(): Promise<void>;
}

export async function quantizeDemo(): Promise<DemoImage> {
  const folder = await mkdtemp(join(tmpdir(), "accllm-serve-"));
  const path = join(folder, "demo.accllm");
  await quantizeCheckpoint({ checkpoint: demoCheckpoint, output: path });
  return { path, remove: () => rm(folder, { recursive: true }) };
}

export interface RunningServer {
  readonly server: Server;
  readonly url: string;
  readonly port: number;
  /** Lines that were logged. */
  readonly logged: string[];
}

/** A server on a free port of the loopback, its model loaded. */
export async function startServer(
  image: string,
  options: Partial<ServerOptions> = {},
  modelOptions: OpenModelOptions = {},
): Promise<RunningServer> {
  const logged: string[] = [];
  const server = new Server({
    host: "127.0.0.1",
    port: 0,
    log: pino({ base: null }, { write: (line) => void logged.push(line) }),
    load: () => openModel(image, modelOptions),
    ...options,
  });
  const url = await server.listen();
  await server.start();
  return { server, url, port: Number(new URL(url).port), logged };
}

/** POSTs JSON, or a body as it is. */
export function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body),
  });
}

/** Waits until something holds. */
export async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await what())) await new Promise((resolve) => setTimeout(resolve, 5));
}
