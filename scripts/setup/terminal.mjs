import { styleText } from "node:util";

/** @typedef {Parameters<typeof styleText>[0]} Style */

/**
 * What the scripts say, all of it on stderr: stdout belongs to the story and to JSON. On a terminal there are
 * colours and a running clock; with NO_COLOR no colours; in a pipe or under CI plain lines.
 */
export class Terminal {
  #stream;
  #colour;
  #live;
  /** The line that is being redrawn; "" where there is none. */
  #redrawn = "";

  /**
   * @param {{ isTTY?: boolean, columns?: number, write(text: string): unknown }} [stream]
   * @param {NodeJS.ProcessEnv} [env]
   */
  constructor(stream = process.stderr, env = process.env) {
    this.#stream = stream;
    const isCi = !["", "0", "false"].includes(env.CI ?? "");
    this.#live = Boolean(stream.isTTY) && !isCi && env.TERM !== "dumb";
    this.#colour = this.#live && (env.NO_COLOR ?? "") === "";
  }

  /**
   * @param {Style} style
   * @param {string} text
   */
  paint(style, text) {
    return this.#colour ? styleText(style, text, { validateStream: false }) : text;
  }

  /** @param {string} [text] */
  line(text = "") {
    this.#erase();
    this.#stream.write(`${text}\n`);
  }

  /**
   * Shows that `name` is under way until `stop`, and how far, once it takes long enough to be seen.
   * @param {string} name
   */
  watch(name) {
    if (!this.#live) return { detail: (/** @type {string} */ _text) => {}, stop: () => {} };
    const since = Date.now();
    let detail = "";
    const draw = () => {
      const width = (this.#stream.columns ?? 80) - 1;
      const text = `… ${name.padEnd(nameWidth)} ${seconds(Date.now() - since)}  ${detail}`.slice(0, width);
      this.#erase();
      this.#stream.write(this.paint("dim", text));
      this.#redrawn = text;
    };
    const timer = setInterval(draw, 250);
    return {
      detail: (/** @type {string} */ text) => {
        detail = text;
        draw();
      },
      stop: () => {
        clearInterval(timer);
        this.#erase();
      },
    };
  }

  /**
   * The one line about a step that has ended.
   * @param {"done" | "note" | "failed"} how
   * @param {string} name
   * @param {string} text
   */
  step(how, name, text) {
    const [sign, style] = signs[how];
    this.line(`${this.paint(style, sign)} ${name.padEnd(nameWidth)} ${text}`.trimEnd());
  }

  #erase() {
    if (this.#redrawn === "") return;
    this.#stream.write("\r\x1b[2K");
    this.#redrawn = "";
  }
}

const nameWidth = 18;

/** @type {Record<string, [string, Style]>} */
const signs = { done: ["✓", "green"], note: ["-", "yellow"], failed: ["✗", "red"] };

/**
 * @param {number} ms
 * @returns {string} such as "0.4 s" or "2 min 05 s"
 */
export function seconds(ms) {
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const whole = Math.round(ms / 1000);
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}
