import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import { packageRoot } from "../../host/config/paths.ts";
import { emulatorLibraryPath } from "../../host/device/native.ts";
import { type OpenModelOptions, openModel } from "../../host/engine/open-model.ts";
import { Server, type ServerOptions } from "../../host/server/server.ts";
import { quantizeCheckpoint } from "../../quant/passes/quantize.ts";
import { sourceFiles } from "../../scripts/setup/source-files.mjs";
import { fingerprint } from "../../scripts/setup/stamp.mjs";
import { demoCheckpoint } from "../unit/shared-data.ts";

/** These tests run the real engine; where it is not built they are skipped by this. */
export const emulatorBuilt = existsSync(emulatorLibraryPath());

/** An image of the demo model. */
export interface DemoImage {
  readonly path: string;
}

/**
 * The image of the demo model, made once for all tests: it is kept under what it is made from, so that it is made
 * again where the quantizer or the checkpoint has changed.
 */
export async function quantizeDemo(): Promise<DemoImage> {
  const inputs = sourceFiles(packageRoot, ["quant", "models/demo"], () => true);
  const key = fingerprint(packageRoot, inputs).slice(0, 16);
  const folder = join(packageRoot, "build", "scratch", `serve-${key}`);
  const path = join(folder, "demo.accllm");
  if (!existsSync(path)) {
    await mkdir(folder, { recursive: true });
    await quantizeCheckpoint({ checkpoint: demoCheckpoint, output: path });
  }
  return { path };
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
