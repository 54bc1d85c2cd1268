import { randomUUID } from "node:crypto";
import type { ServerResponse } from "node:http";
import type { TokenEvent } from "../engine/generate.ts";
import { toApiError } from "./api-error.ts";
import { EventStream } from "./event-stream.ts";
import type { AnswerForm, AnswerHead } from "./responses.ts";
import type { ModelService, TextJob, TextResult } from "./service.ts";
import { watch } from "./watch.ts";

export interface AnswerOptions {
  readonly stream: boolean;
  readonly includeUsage: boolean;
  /** Milliseconds for the queue and the text together. */
  readonly deadlineMs: number;
  /** Unread bytes that are kept for a slow reader. */
  readonly unreadBytes: number;
  /** Called when the text has ended, well or not. */
  readonly onEnd: (end: { result?: TextResult; error?: unknown }) => void;
}

/**
 * Generates a text and answers with it, at once or as a stream of events. A stream's headers are sent with its first
 * token, so that all that goes wrong before has its status, and a proxy may try elsewhere.
 * @throws whatever ends the text before that
 */
export async function answer(
  service: ModelService,
  job: TextJob,
  form: AnswerForm,
  outgoing: ServerResponse,
  options: AnswerOptions,
): Promise<Response> {
  const { stop, release } = watch(outgoing, options.deadlineMs);
  const head: AnswerHead = {
    id: form.idPrefix + randomUUID().replaceAll("-", ""),
    created: Math.floor(Date.now() / 1000),
    model: service.model.name,
  };
  const run = (onToken: (event: TokenEvent) => void) =>
    service.generate(job, stop.signal, onToken).then(
      (result) => {
        options.onEnd({ result });
        return result;
      },
      (error: unknown) => {
        options.onEnd({ error });
        throw error;
      },
    );

  if (!options.stream) {
    try {
      const events: TokenEvent[] = [];
      const result = await run((event) => void events.push(event));
      return Response.json(form.whole(head, shown(events, job), result));
    } finally {
      release();
    }
  }

  const stream = new EventStream(options.unreadBytes, (reason) => {
    stop.abort(reason);
    outgoing.destroy();
  });
  await new Promise<void>((resolve, reject) => {
    let begun = false;
    const begin = () => {
      if (begun) return;
      begun = true;
      for (const part of form.begin(head)) stream.send(part);
      resolve();
    };
    run((event) => {
      begin();
      const part = form.token(head, shown([event], job)[0] ?? withoutLogprob(event));
      if (part !== undefined) stream.send(part);
    })
      .then(
        (result) => {
          stream.send(form.end(head, result));
          if (options.includeUsage) stream.send(form.usage(head, result));
          stream.close({ whole: true });
        },
        (error: unknown) => {
          if (!begun) reject(error);
          stream.send(toApiError(error).body);
          stream.close({ whole: false });
        },
      )
      .finally(release);
  });
  return new Response(stream.readable, {
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      // nginx collects answers otherwise.
      "x-accel-buffering": "no",
    },
  });
}

/** The end-of-sequence token is no part of the answer: its log probability is left out. */
function shown(events: readonly TokenEvent[], { codec, settings }: TextJob): TokenEvent[] {
  if (settings.ignoreEos) return [...events];
  return events.filter(({ id }) => !codec.eosIds.includes(id));
}

/** Text that the end-of-sequence token set free. */
function withoutLogprob({ type, index, id, text }: TokenEvent): TokenEvent {
  return { type, index, id, text };
}
