import type { ServerResponse } from "node:http";
import { ClientGone, DeadlinePassed } from "./api-error.ts";

/** A signal for when the client goes away or its time is over. */
export function watch(
  outgoing: ServerResponse,
  deadlineMs: number,
): { stop: AbortController; release: () => void } {
  const stop = new AbortController();
  const gone = () => {
    if (!outgoing.writableFinished) stop.abort(new ClientGone("The client has gone."));
  };
  const timer = setTimeout(() => stop.abort(new DeadlinePassed("The time is over.")), deadlineMs);
  outgoing.once("close", gone);
  if (outgoing.closed || outgoing.destroyed) gone();
  return {
    stop,
    release: () => {
      clearTimeout(timer);
      outgoing.off("close", gone);
    },
  };
}
