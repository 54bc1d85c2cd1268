import { counterCount, type counterSources, type Operation, operations } from "../../quant/format/command.ts";
import type { RunStatus } from "./status.ts";

/** Cycles of decoded tokens by operation. */
export interface DecodeCycles {
  /** Where they come from; "none" where nothing was counted. */
  readonly source: keyof typeof counterSources;
  readonly cycles: Readonly<Record<Operation, number>>;
}

/** What the kernel's counters came to over all runs of a session. */
export class RunTotals {
  readonly #clockHz: number;
  #seconds = 0;
  #decodedTokens = 0;
  #decodedSeconds = 0;
  /** Of decoded tokens since they were last taken, by the operation's number. */
  readonly #cycles = new Float64Array(counterCount);
  #counted: RunStatus | undefined;

  constructor(clockHz: number) {
    this.#clockHz = clockHz;
  }

  /** Kernel time of all runs; 0 where the kernel counts nothing. */
  get seconds(): number {
    return this.#seconds;
  }

  /** Mean over all decoded tokens; undefined before the first, or where the kernel counts nothing. */
  get secondsPerToken(): number | undefined {
    return this.#decodedTokens === 0 ? undefined : this.#decodedSeconds / this.#decodedTokens;
  }

  /** A run that is no decoded token. */
  add(status: RunStatus): void {
    this.#seconds += status.totalCycles / this.#clockHz;
  }

  addToken(status: RunStatus): void {
    const seconds = status.totalCycles / this.#clockHz;
    this.#seconds += seconds;
    if (!status.counted) return;
    this.#counted = status;
    this.#decodedTokens++;
    this.#decodedSeconds += seconds;
    for (let operation = 0; operation < counterCount; operation++) {
      this.#cycles[operation]! += status.cyclesOf(operation);
    }
  }

  /** Cycles of the tokens decoded since this was last called. */
  takeDecodeCycles(): DecodeCycles {
    const cycles = Object.fromEntries(
      Object.entries(operations).map(([name, index]) => [name, this.#cycles[index]!]),
    ) as Record<Operation, number>;
    this.#cycles.fill(0);
    return { source: this.#counted?.counters ?? "none", cycles };
  }
}
