// A long stream through sinks and window: time per token, memory and perplexity per tenth of the run.
//   node scripts/bench-long.mjs [tokens] [image] [sinks] [window] [threads]
// The text is 500 tokens of the model's own, again and again, so that every tenth is alike to a model that sees it
// through the window: rates, memory and perplexity have to stay flat. Without an image: build/bench/demo.accllm,
// made of the demo model on first use.
// A shared machine is slower for seconds at a time, so that tenths that lie a minute apart cannot be compared to 3 %.
// Therefore a second process begins the same stream later, and the two run in turns: its second tenth beside the last.
import { execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { cli, root } from "./bench/built.mjs";

const tokens = Number(process.argv[2] ?? 200_000);
const image = process.argv[3] || join(root, "build", "bench", "demo.accllm");
const sinks = process.argv[4] ?? "4";
const window = process.argv[5] ?? "252";
const threads = process.argv[6] ?? "1";
/** Tokens of a turn: some 25 ms of the demo model. */
const turn = 100;

if (!existsSync(image)) {
  mkdirSync(join(root, "build", "bench"), { recursive: true });
  execFileSync(process.execPath, [cli, "quantize", join(root, "models", "demo"), "-o", image], {
    stdio: "inherit",
  });
}

/** @typedef {{ ms: number, nll: number, rss: number, last: number }} Part */

function openStream() {
  const child = fork(join(root, "scripts", "bench", "long-stream.mjs"), [image, sinks, window, threads]);
  return {
    /** @param {number} count @returns {Promise<Part>} */
    async run(count) {
      child.send(count);
      const [part] = await once(child, "message");
      return part;
    },
    close: () => child.kill(),
  };
}

/** @param {number[]} values */
const sum = (values) => values.reduce((total, value) => total + value, 0);

/**
 * @param {number} part
 * @param {Part[]} turns
 */
function print(part, turns) {
  const count = turns.length * turn;
  const each = turns.map(({ ms }) => (1000 * ms) / turn).sort((a, b) => a - b);
  const { rss, last } = turns[turns.length - 1];
  console.log(
    [
      String(part).padEnd(5),
      (sum(each) / each.length).toFixed(1).padStart(9),
      each[Math.floor(each.length / 20)].toFixed(1).padStart(11),
      (rss / 1e6).toFixed(1).padStart(8),
      Math.exp(sum(turns.map(({ nll }) => nll)) / count)
        .toFixed(3)
        .padStart(10),
      String(last).padStart(13),
    ].join("  "),
  );
}

console.log(`${image}: ${tokens} tokens, ${sinks} sinks, window ${window}, ${threads} threads`);
console.log("tenth   us/token  fastest 5 %  RSS MB  perplexity  last position");
const perTenth = Math.floor(tokens / 10 / turn);
const stream = openStream();
/** @type {ReturnType<typeof openStream> | undefined} */
let later;
/** By tenth, from 1 on. @type {Part[][]} */
const tenths = [[]];
/** The later process's. @type {Part[][]} */
const compared = [];
for (let part = 1; part <= 10; part++) {
  if (part === 9) later = openStream();
  const turns = [];
  const others = [];
  for (let i = 0; i < perTenth; i++) {
    // Who is first changes.
    if (i % 2 === 0) turns.push(await stream.run(turn));
    if (later !== undefined) others.push(await later.run(turn));
    if (i % 2 === 1) turns.push(await stream.run(turn));
  }
  tenths.push(turns);
  compared.push(others);
  print(part, turns);
}
stream.close();
later?.close();

const lastTenth = tenths[10];
const secondTenth = compared[9];
const ratios = lastTenth.map(({ ms }, i) => ms / secondTenth[i].ms).sort((a, b) => a - b);
const mean = sum(lastTenth.map(({ ms }) => ms)) / sum(secondTenth.map(({ ms }) => ms));
/** @param {Part[]} turns */
const rssAtEnd = (turns) => turns[turns.length - 1].rss;
/** @param {number} ratio */
const percent = (ratio) => `${(100 * (ratio - 1)).toFixed(1)} %`;
console.log(
  `last tenth over the second: memory ${percent(rssAtEnd(lastTenth) / rssAtEnd(tenths[2]))}; time, in turns of ${turn}` +
    ` tokens with a later process's second tenth: median of pairs ${percent(ratios[Math.floor(ratios.length / 2)])}, means ${percent(mean)}`,
);
