import { relative } from "node:path";
import { parseArgs } from "node:util";
import { runAttached } from "../setup/command.mjs";
import { runVerb } from "./command-line.mjs";

const demoPrompt = "Once upon a time";

/**
 * The line `accllm run --json` ends with.
 * @typedef {object} Done
 * @property {"done"} type
 * @property {number} completionTokens
 * @property {number} seed
 * @property {{ decodeTokensPerSecond: number | null }} timings
 * @property {{ name: string, engine: string, modelledDecodeTokensPerSecond: number | null }} device
 */

/**
 * Streams a story from the demo image on the emulator, then a summary.
 * @param {object} context
 * @param {import("../setup/project.mjs").ProjectPaths} context.paths
 * @param {AbortSignal} context.signal
 * @param {import("../setup/terminal.mjs").Terminal} context.terminal
 * @param {import("./image.mjs").DemoImage} context.image
 * @param {readonly string[]} context.args for `accllm run`; they win over the demo's own
 * @returns {Promise<number>} exit code of `accllm run`
 */
export async function tellStory({ paths, signal, terminal, image, args }) {
  const all = ["run", image.path, ...demoArguments(args), ...args];
  if (args.some((arg) => ["--json", "--help", "-h"].includes(arg))) {
    return await runAttached(process.execPath, [paths.cli, ...all], { cwd: paths.root, signal });
  }
  terminal.line();
  let begun = false;
  /** @type {Done | undefined} */
  let done;
  await runVerb(paths, all, signal, (message) => {
    if (message.type === "done") done = message;
    if (message.type !== "token") return;
    if (!begun) process.stdout.write(promptOf(args));
    begun = true;
    process.stdout.write(message.text);
  });
  if (done === undefined) throw new Error("accllm run ended without a summary.");
  process.stdout.write("\n");
  terminal.line();
  for (const line of summary(done, image, paths.root)) terminal.line(line);
  return 0;
}

/**
 * What the demo adds to the user's arguments.
 * @param {readonly string[]} args
 * @returns {string[]}
 */
export function demoArguments(args) {
  const { values, positionals } = readArguments(args);
  const hasPrompt =
    values.prompt !== undefined || values["prompt-file"] !== undefined || positionals.includes("-");
  return ["--temperature", "0.7", ...(hasPrompt ? [] : ["--prompt", demoPrompt])];
}

/**
 * The prompt as far as the arguments tell it, to be shown in front of its continuation.
 * @param {readonly string[]} args
 * @returns {string} "" where it is in a file
 */
export function promptOf(args) {
  const { prompt } = readArguments([...demoArguments(args), ...args]).values;
  return typeof prompt === "string" ? prompt : "";
}

/** @param {readonly string[]} args */
function readArguments(args) {
  return parseArgs({
    args: [...args],
    options: { prompt: { type: "string", short: "p" }, "prompt-file": { type: "string" } },
    allowPositionals: true,
    // The other options are for `accllm run` to judge.
    strict: false,
  });
}

/**
 * @param {Done} done
 * @param {import("./image.mjs").DemoImage} image
 * @param {string} root
 * @returns {string[]}
 */
export function summary(done, image, root) {
  const { completionTokens, seed, timings, device } = done;
  const here = timings.decodeTokensPerSecond;
  const modelled = device.modelledDecodeTokensPerSecond ?? null;
  const rows = [
    ["here", `${here === null ? "too short to tell" : `${here.toFixed(1)} tokens/s`} on ${device.name}`],
    [
      "on a U280",
      modelled === null
        ? "not modelled"
        : `${Math.round(modelled)} tokens/s by the timing model; not measured on a card`,
    ],
    ["text", `${completionTokens} tokens; --seed ${seed} tells it again`],
    ["weights", `${image.bitsPerWeight.toFixed(2)} bits each`],
    ["image", `${relative(root, image.path)} (${(image.bytes / 1e6).toFixed(1)} MB)`],
  ];
  return rows.map(([name, text]) => `${name.padEnd(11)}${text}`);
}
