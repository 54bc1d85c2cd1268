/** @typedef {import("../server-state.ts").ServerState} ServerState */

const WIDTH = 600;
const HEIGHT = 56;
/** Narrowest part that is still seen. */
const LEAST = 6;

/** @param {number} perSecond */
export function formatRate(perSecond) {
  return perSecond < 100 ? perSecond.toFixed(1) : Math.round(perSecond).toLocaleString("en");
}

/**
 * @param {number} bytes
 * @param {number} [digits]
 */
function formatBytes(bytes, digits = 3) {
  const units = ["B", "kB", "MB", "GB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : Number(value.toPrecision(digits))} ${units[unit]}`;
}

/**
 * Draws the sequence from its first token to its last: sinks, what fell out, the window, and what is still free.
 * @param {SVGSVGElement} svg
 * @param {NonNullable<ServerState["kv"]>} kv
 * @returns {string} the same in words
 */
export function drawWindow(svg, { sinks, window, position }) {
  const capacity = sinks + window;
  const held = Math.min(position, capacity);
  const out = Math.max(0, position - capacity);
  const parts = [
    { kind: "sinks", tokens: Math.min(position, sinks) },
    { kind: "out", tokens: out },
    { kind: "window", tokens: held - Math.min(position, sinks) },
    { kind: "free", tokens: capacity - held },
  ].filter(({ tokens }) => tokens > 0);
  const total = capacity + out;
  const spare = WIDTH - parts.length * LEAST;
  let x = 0;
  svg.replaceChildren(
    ...parts.map(({ kind, tokens }) => {
      const width = LEAST + (spare * tokens) / total;
      const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      const free = kind === "free" ? 1 : 0;
      rect.setAttribute("class", kind);
      rect.setAttribute("x", String(x + free));
      rect.setAttribute("y", String(free));
      rect.setAttribute("width", String(Math.max(1, width - 2 - free)));
      rect.setAttribute("height", String(HEIGHT - 2 * free));
      rect.setAttribute("rx", "3");
      x += width;
      return rect;
    }),
  );
  const number = (/** @type {number} */ value) => value.toLocaleString("en");
  return (
    `${number(position)} tokens run; attention sees ${number(held)} of at most ${number(capacity)}: ` +
    `${number(sinks)} sinks and the latest ${number(window)}. ${number(out)} fell out.`
  );
}

/**
 * Draws a cell for every bank.
 * @param {HTMLOListElement} list
 * @param {NonNullable<ServerState["memory"]>} memory
 * @returns {string} the sums in words
 */
export function drawBanks(list, { banks, buffers }) {
  const signature = JSON.stringify([banks, buffers]);
  const used = buffers.reduce((sum, { bytes }) => sum + bytes, 0);
  const total = banks.reduce((sum, { bytes }) => sum + bytes, 0);
  const others = banks.filter(({ name }) => !name.startsWith("HBM")).length;
  const count = `${banks.length - others} HBM banks${others === 0 ? "" : ` and ${others} of DDR memory`}`;
  const words = `${formatBytes(used)} of ${formatBytes(total)} in ${count}.`;
  if (list.dataset.signature === signature) return words;
  list.dataset.signature = signature;
  list.replaceChildren(
    ...banks.map(({ name, bytes }, index) => {
      const inside = buffers.filter(({ bank }) => bank === index);
      const filled = inside.reduce((sum, one) => sum + one.bytes, 0);
      const cell = document.createElement("li");
      const label = document.createElement("span");
      label.textContent = name.replace(/^(?:HBM)?(\w*)\[(\d+)\]$/, "$1 $2").trim();
      const content = document.createElement("span");
      content.className = "hidden";
      content.textContent = inside.map((one) => one.name).join(" ") || "nothing";
      const size = document.createElement("small");
      size.textContent = filled === 0 ? "–" : formatBytes(filled, 2);
      const bar = document.createElement("div");
      bar.append(
        ...inside.map((one) => {
          const share = document.createElement("i");
          share.className = kindOf(one.name);
          share.style.flexGrow = String(one.bytes);
          return share;
        }),
      );
      const what = inside.map((one) => `${one.name} ${formatBytes(one.bytes)}`).join(", ") || "nothing";
      cell.title = `${name}: ${what} of ${formatBytes(bytes)}`;
      cell.append(label, content, size, bar);
      return cell;
    }),
  );
  return words;
}

/** @param {string} name */
function kindOf(name) {
  if (name.startsWith("kv")) return "kv";
  return /^w\d/.test(name) ? "weights" : "other";
}
