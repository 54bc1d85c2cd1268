import { SingleBar } from "cli-progress";
import type { CliContext } from "../context.ts";
import { formatBytes } from "./units.ts";

/** Progress of one piece of work, shown on stderr. */
export interface Progress {
  /** `done` of `total` units, and what is being worked on. */
  update(done: number, total: number, label?: string): void;
  /** Takes the bar away. Safe to call twice. */
  stop(): void;
}

/** Without a terminal: one line at the start of every such part of the work. */
const PARTS = 4;

/** A bar where stderr is a terminal, else a plain line per quarter. */
export function createProgress(context: CliContext, title: string): Progress {
  return context.stderr.isTTY === true ? new Bar(context, title) : new PlainLines(context, title);
}

/** Milliseconds that the way of a model to its device may take without a word. */
const QUIET_MS = 700;

/**
 * Progress of sending a model to its device: shown where that takes time.
 * @param quietMs milliseconds before anything is shown
 */
export function loadingProgress(context: CliContext, quietMs = QUIET_MS): Progress {
  const inner = createProgress(context, "Loading");
  // Counted from the first byte on: what comes before has other reasons.
  let from: number | undefined;
  return {
    update(done, total) {
      from ??= performance.now();
      if (performance.now() - from >= quietMs) {
        inner.update(done, total, `${formatBytes(done)} of ${formatBytes(total)}`);
      }
    },
    stop: () => inner.stop(),
  };
}

class Bar implements Progress {
  readonly #bar: SingleBar;
  #started = false;

  constructor({ stderr, err }: CliContext, title: string) {
    this.#bar = new SingleBar({
      format: `${title} ${err.cyan("{bar}")} {percentage} %  ${err.dim("{label}")}`,
      barCompleteChar: "█",
      barIncompleteChar: "░",
      barsize: 30,
      stream: stderr,
      hideCursor: true,
      clearOnComplete: true,
      // Signals are the process's affair; the verb stops its bar in a finally.
      gracefulExit: false,
    });
  }

  update(done: number, total: number, label = ""): void {
    if (!this.#started) this.#bar.start(total, done, { label });
    else {
      this.#bar.setTotal(total);
      this.#bar.update(done, { label });
    }
    this.#started = true;
  }

  stop(): void {
    if (this.#started) this.#bar.stop();
    this.#started = false;
  }
}

class PlainLines implements Progress {
  readonly #context: CliContext;
  readonly #title: string;
  #nextPart = 0;

  constructor(context: CliContext, title: string) {
    this.#context = context;
    this.#title = title;
  }

  update(done: number, total: number): void {
    const part = total > 0 ? Math.floor((done / total) * PARTS) : 0;
    if (part < this.#nextPart) return;
    this.#nextPart = part + 1;
    this.#context.stderr.write(`${this.#title} ${Math.floor((part / PARTS) * 100)} %\n`);
  }

  stop(): void {}
}
