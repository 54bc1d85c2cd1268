import { type AccllmError, DeviceError, InputError, UsageError } from "../errors.ts";
import { QueueFull } from "./queue.ts";

export type ErrorStatus = 400 | 401 | 404 | 405 | 408 | 413 | 415 | 429 | 499 | 500 | 503 | 504;

const TYPES: Readonly<Partial<Record<ErrorStatus, string>>> = {
  401: "authentication_error",
  404: "not_found_error",
  429: "rate_limit_error",
  500: "server_error",
  503: "server_error",
  504: "server_error",
};

export interface ApiErrorDetail {
  /** The request's field that is at fault. */
  readonly param?: string | undefined;
  readonly code?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** An answer that is an error, in OpenAI's form. Its message is for the client: nothing of the host is in it. */
export class ApiError extends Error {
  readonly status: ErrorStatus;
  readonly param: string | null;
  readonly code: string | null;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: ErrorStatus, message: string, detail: ApiErrorDetail = {}) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.param = detail.param ?? null;
    this.code = detail.code ?? null;
    this.headers = detail.headers ?? {};
  }

  get body(): { error: { message: string; type: string; param: string | null; code: string | null } } {
    const type = TYPES[this.status] ?? "invalid_request_error";
    return { error: { message: this.message, type, param: this.param, code: this.code } };
  }
}

/** Why a request was given up before its answer was whole. */
export class ClientGone extends Error {}
export class DeadlinePassed extends Error {}
export class ShuttingDown extends Error {}
export class ReaderTooSlow extends Error {}

/** Any thrown value as an answer. What the client can do nothing about says nothing of its cause. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof QueueFull) {
    return new ApiError(429, "The device is busy and the queue is full; try again later.", {
      code: "queue_full",
      headers: { "retry-after": String(error.retryAfterSeconds) },
    });
  }
  if (error instanceof DeadlinePassed) {
    return new ApiError(504, "The request was not done within the server's time limit.", {
      code: "deadline_exceeded",
    });
  }
  if (error instanceof ShuttingDown) return shuttingDown();
  if (error instanceof ClientGone || error instanceof ReaderTooSlow) {
    return new ApiError(499, "The client has gone.", { code: "client_closed_request" });
  }
  if (error instanceof UsageError) {
    return new ApiError(400, withHint(error), { code: error.code.toLowerCase() });
  }
  if (error instanceof DeviceError) {
    return new ApiError(503, "The device failed; the request may be tried again.", {
      code: "device_error",
      headers: { "retry-after": "5" },
    });
  }
  if (error instanceof InputError && error.code === "TOKENIZER_INVALID") {
    return new ApiError(400, "The text holds a character that the model has no token for.", {
      code: "bad_text",
    });
  }
  return new ApiError(500, "The server has failed.", { code: "internal_error" });
}

export function shuttingDown(): ApiError {
  return new ApiError(503, "The server is shutting down.", {
    code: "shutting_down",
    headers: { "retry-after": "5", connection: "close" },
  });
}

function withHint({ message, hint }: AccllmError): string {
  return hint === undefined ? message : `${message} ${hint}`;
}
