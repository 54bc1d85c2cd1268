import { PassThrough, Readable, Writable } from "node:stream";
import type { InputStream, OutputStream } from "../../../../host/cli/context.ts";
import { runCli } from "../../../../host/cli/program.ts";
import type { Services } from "../../../../host/cli/services.ts";
import { Model } from "../../../../host/engine/model.ts";
import { characterCodec, ScriptedSession } from "../engine/fake-session.ts";

/** A stream that keeps what is written. */
export class Sink extends Writable {
  text = "";
  readonly isTTY: boolean;
  readonly columns = 100;
  onWrite: (text: string) => void = () => {};

  constructor({ isTTY = false } = {}) {
    super({ decodeStrings: false });
    this.isTTY = isTTY;
  }

  override _write(chunk: string, _encoding: string, done: (error?: Error | null) => void): void {
    this.text += chunk;
    this.onWrite(chunk);
    done();
  }
}

export interface CliSetup {
  readonly services?: Partial<Services>;
  readonly stdin?: string | InputStream;
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
  readonly stdout?: OutputStream;
  readonly isTTY?: boolean;
}

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line in this process. A service that the test does not give fails it. */
export async function accllm(argv: readonly string[], setup: CliSetup = {}): Promise<CliResult> {
  const { isTTY = false, stdin = "" } = setup;
  const stdout = setup.stdout ?? new Sink({ isTTY });
  const stderr = new Sink({ isTTY });
  const code = await runCli(argv, {
    stdin: typeof stdin === "string" ? Readable.from(stdin === "" ? [] : [Buffer.from(stdin)]) : stdin,
    stdout,
    stderr,
    env: setup.env ?? {},
    signal: setup.signal ?? new AbortController().signal,
    services: { ...missingServices, ...setup.services },
  });
  return { code, stdout: stdout instanceof Sink ? stdout.text : "", stderr: stderr.text };
}

const missing = () => Promise.reject(new Error("this test gives no such service"));
const missingServices: Services = {
  loadModel: missing,
  openModel: missing,
  server: missing,
  devicesOf: async (choice) => [choice],
  quantize: missing,
  sensitivity: missing,
  bench: missing,
  perplexity: missing,
  verify: missing,
  inspect: missing,
  estimate: missing,
  doctor: missing,
  devices: missing,
};

/** A model that continues every prompt with the script, and its session. */
export function scriptedModel(script: string, options: { stepMs?: number; maxPositions?: number } = {}) {
  const session = new ScriptedSession(script, options);
  const loaded: { path: string; device: string; engine: string }[] = [];
  const services: Partial<Services> = {
    loadModel: async (path, { device, engine }) => {
      loaded.push({ path, device, engine });
      return new Model(session, characterCodec, {});
    },
  };
  return { services, session, loaded };
}

/** The lines of NDJSON. */
export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** A stdin that nobody writes to and nobody closes. */
export function silentStdin(): InputStream {
  return new PassThrough();
}
