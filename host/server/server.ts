import type { Server as HttpServer } from "node:http";
import { createAdaptorServer } from "@hono/node-server";
import type { Logger } from "pino";
import { UsageError } from "../errors.ts";
import { createApp } from "./app.ts";
import { SERVER_DEFAULTS } from "./defaults.ts";
import { ModelService, type ServiceOptions } from "./service.ts";

export interface ServerOptions extends Pick<ServiceOptions, "load" | "retryMs"> {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly log: Logger;
  readonly apiKey?: string | undefined;
  readonly corsOrigins?: readonly string[] | undefined;
  readonly queueLimit?: number | undefined;
  /** Milliseconds for a request's queue and text together. */
  readonly deadlineMs?: number | undefined;
  /** Tokens that one request may ask for. */
  readonly maxTokens?: number | undefined;
  readonly bodyBytes?: number | undefined;
  readonly unreadBytes?: number | undefined;
}

/** Limits of HTTP itself; bodies and headers that trickle in do not hold a connection for ever. */
const HTTP = {
  maxHeaderSize: 16 * 1024,
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 15_000,
  maxConnections: 1024,
} as const;

/** Time between closing idle connections while the last answers are read. */
const CLOSING_POLL_MS = 50;

/** An OpenAI-compatible server for one model. */
export class Server {
  readonly service: ModelService;
  readonly #http: HttpServer;
  readonly #options: ServerOptions;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.service = new ModelService({
      load: options.load,
      log: options.log,
      queueLimit: options.queueLimit ?? SERVER_DEFAULTS.queueLimit,
      retryMs: options.retryMs,
    });
    const app = createApp(this.service, {
      log: options.log,
      apiKey: options.apiKey,
      corsOrigins: options.corsOrigins ?? [],
      deadlineMs: options.deadlineMs ?? SERVER_DEFAULTS.deadlineMs,
      maxTokens: options.maxTokens ?? SERVER_DEFAULTS.maxTokens,
      bodyBytes: options.bodyBytes ?? SERVER_DEFAULTS.bodyBytes,
      unreadBytes: options.unreadBytes ?? SERVER_DEFAULTS.unreadBytes,
    });
    const { maxHeaderSize, headersTimeout, requestTimeout, keepAliveTimeout } = HTTP;
    this.#http = createAdaptorServer({
      fetch: app.fetch,
      serverOptions: { maxHeaderSize, headersTimeout, requestTimeout, keepAliveTimeout },
    }) as HttpServer;
    this.#http.maxConnections = HTTP.maxConnections;
  }

  /**
   * Takes connections; until the model is loaded they are told to wait.
   * @returns the address to call, with the port that was taken
   * @throws UsageError where the address cannot be used
   */
  async listen(): Promise<string> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#http.once("error", (cause: NodeJS.ErrnoException) => {
        const why = cause.code === "EADDRINUSE" ? "it is in use" : cause.message;
        reject(
          new UsageError("ADDRESS_UNUSABLE", `The server cannot listen on ${host}:${port}: ${why}.`, {
            hint: "Choose another with --host and --port; --port 0 takes a free one.",
            cause,
          }),
        );
      });
      this.#http.listen(port, host, resolve);
    });
    const address = this.#http.address();
    const taken = typeof address === "object" && address !== null ? address.port : port;
    return `http://${host.includes(":") ? `[${host}]` : host}:${taken}`;
  }

  /** Loads the model. @throws what loading throws */
  async start(): Promise<void> {
    await this.service.start();
  }

  /**
   * Takes nothing new, lets the requests that came finish, and frees the device.
   * @param graceMs how long they may take
   */
  async close(graceMs: number): Promise<void> {
    await this.service.drain(graceMs);
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    // Answers that are still being read get a little longer; then their connections are cut.
    const until = performance.now() + Math.min(graceMs, 2_000);
    const poll = setInterval(() => {
      if (performance.now() < until) this.#http.closeIdleConnections();
      else this.#http.closeAllConnections();
    }, CLOSING_POLL_MS);
    await closed;
    clearInterval(poll);
  }
}
