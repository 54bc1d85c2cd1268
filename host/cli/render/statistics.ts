import type { DoneEvent } from "../../engine/generate.ts";
import type { OpenModel } from "../../engine/open-model.ts";
import { countOf, formatCount, formatRate } from "./units.ts";

/** Sums over the answers of a conversation. */
export class ChatStatistics {
  readonly #model: Pick<OpenModel, "plan" | "session">;
  #prompt = 0;
  #reused = 0;
  #completion = 0;
  #decoded = 0;
  #seconds = 0;

  constructor(model: Pick<OpenModel, "plan" | "session">) {
    this.#model = model;
  }

  add({ promptTokens, completionTokens, timings }: DoneEvent, reusedTokens: number): void {
    this.#prompt += promptTokens;
    this.#reused += reusedTokens;
    this.#completion += completionTokens;
    this.#decoded += Math.max(0, completionTokens - 1);
    this.#seconds += timings.decodeSeconds;
  }

  /** For people, a fact a line. */
  lines(turns: number): string[] {
    const { plan, session } = this.#model;
    const modelled = session.modelledSecondsPerToken;
    const kept = plan.sinks + plan.window;
    const held = session.cachedTokens;
    return [
      `${countOf(turns, "turn")}; ${countOf(this.#prompt, "prompt token")}, ${formatCount(this.#reused)} of them found in the cache; ${countOf(this.#completion, "token")} generated`,
      `cache: ${formatCount(Math.min(held, kept))} of ${formatCount(kept)} places (${plan.sinks} sinks, window ${formatCount(plan.window)}); ${formatCount(Math.max(0, held - kept))} tokens fell out`,
      ...(this.#seconds > 0
        ? [`${formatRate(this.#decoded / this.#seconds)} tokens/s on ${session.deviceName}`]
        : []),
      ...(modelled === undefined || modelled <= 0
        ? []
        : [`${formatRate(1 / modelled)} tokens/s on the card by the timing model`]),
    ];
  }
}
