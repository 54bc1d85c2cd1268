import { createInterface, type Interface } from "node:readline";
import { Writable } from "node:stream";
import type { CliContext, OutputStream } from "./context.ts";

/**
 * Lines from stdin, with editing and history on a terminal. Between lines the terminal stays in its mode, so that
 * Ctrl-C comes here and not to the process, and what is typed is not shown until it is asked for.
 */
export class LineReader {
  readonly #interface: Interface;
  readonly #screen: Screen;
  readonly #prompt: string;
  readonly #lines: string[] = [];
  readonly #isTerminal: boolean;
  #waiting: ((line: string | undefined) => void) | undefined;
  #closed = false;

  /** @param onInterrupt Ctrl-C on a terminal */
  constructor(context: CliContext, prompt: string, onInterrupt: () => void) {
    this.#isTerminal = context.stdin.isTTY === true && context.stdout.isTTY === true;
    this.#prompt = prompt;
    this.#screen = new Screen(context.stdout);
    this.#interface = createInterface({
      input: context.stdin,
      terminal: this.#isTerminal,
      ...(this.#isTerminal ? { output: this.#screen } : {}),
    });
    this.#interface.on("line", (line) => {
      if (this.#waiting === undefined) this.#lines.push(line);
      else this.#answer(line);
    });
    this.#interface.on("close", () => {
      this.#closed = true;
      this.#answer(undefined);
    });
    this.#interface.on("SIGINT", onInterrupt);
    context.signal.addEventListener("abort", () => this.close(), { once: true });
    if (context.signal.aborted) this.close();
  }

  /** The next line; undefined at the end of the input. */
  async next(): Promise<string | undefined> {
    const line = this.#lines.shift();
    if (line !== undefined) return line;
    if (this.#closed) return undefined;
    this.#screen.shown = true;
    if (this.#isTerminal) this.#interface.setPrompt(this.#prompt);
    this.ask();
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  /** Shows the prompt, again where something was said below it. */
  ask(): void {
    if (this.#isTerminal && this.#screen.shown) this.#interface.prompt();
  }

  /** Takes back what is being typed. */
  clear(): void {
    this.#interface.write(null, { ctrl: true, name: "e" });
    this.#interface.write(null, { ctrl: true, name: "u" });
  }

  close(): void {
    if (!this.#closed) this.#interface.close();
  }

  #answer(line: string | undefined): void {
    this.#screen.shown = false;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.(line);
  }
}

/** The terminal as readline sees it; nothing is written while an answer is. */
class Screen extends Writable {
  shown = false;
  readonly isTTY = true;
  readonly #target: OutputStream;

  constructor(target: OutputStream) {
    super({ decodeStrings: false });
    this.#target = target;
  }

  get columns(): number {
    return this.#target.columns ?? 80;
  }

  override _write(chunk: string, _encoding: string, done: () => void): void {
    if (this.shown) this.#target.write(chunk);
    done();
  }
}
