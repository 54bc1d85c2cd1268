import { createHash, timingSafeEqual } from "node:crypto";
import type { HttpBindings } from "@hono/node-server";
import { type Context, Hono } from "hono";
import { cors } from "hono/cors";
import type { Logger } from "pino";
import { type AnswerOptions, answer } from "./answer.ts";
import { ApiError, toApiError } from "./api-error.ts";
import { readJson } from "./body.ts";
import { answerEmbeddings, embeddingJob } from "./embeddings.ts";
import { chatJob, completionJob, type JobLimits } from "./jobs.ts";
import { addPage, PAGE_PATHS } from "./page.ts";
import { parseChat, parseCompletion, parseDetokenize, parseEmbeddings, parseTokenize } from "./requests.ts";
import { type AnswerForm, chatForm, completionForm } from "./responses.ts";
import type { ModelService, TextJob } from "./service.ts";
import { describeState } from "./state.ts";

export interface AppOptions extends JobLimits {
  readonly log: Logger;
  /** Required of every request but for /health and the page's files. */
  readonly apiKey?: string | undefined;
  /** Bytes of a body at most. */
  readonly bodyBytes: number;
  readonly deadlineMs: number;
  /** Unread bytes of a stream that are kept. */
  readonly unreadBytes: number;
  /** Origins that a browser may call from, beside the server's own. */
  readonly corsOrigins: readonly string[];
}

interface Env {
  Bindings: HttpBindings;
  Variables: { detail: Record<string, unknown> };
}

type Handler = (context: Context<Env>) => Promise<Response> | Response;

/** Paths without a key: a probe has none, and a page must be there to ask for one. */
const OPEN = new Set(["/health", ...PAGE_PATHS]);

/** The server's routes over one model service. */
export function createApp(service: ModelService, options: AppOptions): Hono<Env> {
  const app = new Hono<Env>();
  const { log } = options;

  app.use(async (c, next) => {
    const since = performance.now();
    c.set("detail", {});
    await next();
    const status = c.res.status;
    const known = routes.has(c.req.path) || OPEN.has(c.req.path);
    const path = known ? c.req.path : c.req.path.startsWith("/v1/models/") ? "/v1/models/:model" : "other";
    service.metrics.request(path, status);
    log.info(
      { method: c.req.method, path, status, ms: Math.round(performance.now() - since), ...c.get("detail") },
      "request",
    );
  });
  if (options.corsOrigins.length > 0) app.use(cors({ origin: [...options.corsOrigins] }));
  if (options.apiKey !== undefined) app.use(keyCheck(options.apiKey));

  const body = (c: Context<Env>) => readJson(c.env.incoming, options.bodyBytes);
  const text = (c: Context<Env>, job: TextJob, form: AnswerForm, request: Streamed) => {
    const detail = c.get("detail");
    const end: AnswerOptions["onEnd"] = ({ result, error }) => {
      if (result !== undefined) {
        const { promptTokens, completionTokens, reusedTokens, reason } = result;
        Object.assign(detail, { promptTokens, completionTokens, reusedTokens, reason });
        if (request.stream === true) log.info({ ...detail }, "stream ended");
        return;
      }
      const { code, status } = toApiError(error);
      Object.assign(detail, { code });
      if (status === 500) log.error({ err: error }, "a text failed");
      else if (request.stream === true) log.info({ ...detail }, "stream ended early");
    };
    return answer(service, job, form, c.env.outgoing, {
      stream: request.stream === true,
      includeUsage: request.stream_options?.include_usage === true,
      deadlineMs: options.deadlineMs,
      unreadBytes: options.unreadBytes,
      onEnd: end,
    });
  };

  const routes = new Map<string, readonly ["get" | "post", Handler]>([
    [
      "/v1/chat/completions",
      [
        "post",
        async (c) => {
          const request = parseChat(await body(c));
          const { model } = service;
          return text(c, chatJob(model, request, options), chatForm(model.tokenizer), request);
        },
      ],
    ],
    [
      "/v1/completions",
      [
        "post",
        async (c) => {
          const request = parseCompletion(await body(c));
          const { model } = service;
          return text(c, completionJob(model, request, options), completionForm(model.tokenizer), request);
        },
      ],
    ],
    [
      "/v1/embeddings",
      [
        "post",
        async (c) => {
          const request = parseEmbeddings(await body(c));
          const job = embeddingJob(service.model, request);
          return answerEmbeddings(service, job, request, c.env.outgoing, options.deadlineMs);
        },
      ],
    ],
    ["/v1/models", ["get", (c) => c.json({ object: "list", data: [modelEntry(service)] })]],
    [
      "/tokenize",
      [
        "post",
        async (c) => {
          const { content, add_special } = parseTokenize(await body(c));
          const { codec, tokenizer } = service.model;
          return c.json({ tokens: add_special ? codec.encode(content) : tokenizer.encode(content) });
        },
      ],
    ],
    [
      "/detokenize",
      [
        "post",
        async (c) => {
          const { tokens } = parseDetokenize(await body(c));
          return c.json({ content: service.model.tokenizer.decode(tokens) });
        },
      ],
    ],
    [
      "/health",
      [
        "get",
        (c) =>
          service.state === "ready"
            ? c.json({ status: "ok" })
            : c.json({ status: service.state }, 503, { "retry-after": "2" }),
      ],
    ],
    ["/state", ["get", (c) => c.json(describeState(service), 200, { "cache-control": "no-store" })]],
    [
      "/metrics",
      [
        "get",
        async (c) =>
          c.body(await service.metrics.registry.metrics(), 200, {
            "content-type": service.metrics.registry.contentType,
          }),
      ],
    ],
  ]);
  for (const [path, [method, handler]] of routes) {
    app[method](path, handler);
    app.all(path, () => {
      throw new ApiError(405, `The path ${path} takes ${method.toUpperCase()} only.`, {
        headers: { allow: method.toUpperCase() },
      });
    });
  }
  app.get("/v1/models/:model", (c) => {
    const entry = modelEntry(service);
    if (c.req.param("model") === entry.id) return c.json(entry);
    throw new ApiError(404, `This server has the model ${entry.id} and no other.`, {
      code: "model_not_found",
    });
  });
  addPage(app);

  app.notFound((c) => errorResponse(c, new ApiError(404, "There is nothing at this path.")));
  app.onError((error, c) => {
    const known = toApiError(error);
    if (known.status === 500) log.error({ err: error }, "a request failed");
    return errorResponse(c, known);
  });
  return app;
}

interface Streamed {
  readonly stream?: boolean | null | undefined;
  readonly stream_options?: { readonly include_usage?: boolean | null | undefined } | null | undefined;
}

function modelEntry(service: ModelService) {
  return { id: service.model.name, object: "model", created: 0, owned_by: "accllm" };
}

function errorResponse(c: Context<Env>, { status, body, headers }: ApiError): Response {
  // 499 is what logs and metrics say; nobody is there to read the answer.
  return new Response(JSON.stringify(body), {
    status: c.env.outgoing.destroyed ? 499 : status,
    headers: { "content-type": "application/json", ...headers },
  });
}

/** Compares digests, so that neither the key's length nor a common beginning shows in the time it takes. */
function keyCheck(key: string) {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  const wanted = digest(`Bearer ${key}`);
  return async (c: Context<Env>, next: () => Promise<void>) => {
    const given = c.req.header("authorization") ?? "";
    if (!OPEN.has(c.req.path) && c.req.method !== "OPTIONS" && !timingSafeEqual(digest(given), wanted)) {
      throw new ApiError(401, "The API key is missing or wrong.", {
        code: "invalid_api_key",
        headers: { "www-authenticate": "Bearer" },
      });
    }
    await next();
  };
}
