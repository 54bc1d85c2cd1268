import type { LogitsSource } from "../../quant/eval/perplexity.ts";
import { limits } from "../../quant/format/limits.ts";
import type { Session } from "./session.ts";

/** A session as what perplexity is measured of: logits of every token, block by block. */
export function sessionLogits(session: Session): LogitsSource {
  return {
    reset: () => session.reset(),
    async *logits(ids, signal) {
      for (let start = 0; start < ids.length; start += limits.blockTokens) {
        yield* await session.logitsForAll(ids.slice(start, start + limits.blockTokens), signal);
      }
    },
  };
}
