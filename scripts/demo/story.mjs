import { relative } from "node:path";
import { runAttached } from "../setup/command.mjs";

const prompt = "Once upon a time";

/**
 * The line `accllm run --json` ends with.
 * @typedef {object} Done
 * @property {"done"} type
 * @property {number} completionTokens
 * @property {{ decodeTokensPerSecond: number }} timings
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
  const options = { cwd: paths.root, signal };
  const command = [paths.cli, "run", image.path, ...demoArguments(args), ...args];
  if (args.some((arg) => ["--json", "--help", "-h"].includes(arg))) {
    return await runAttached(process.execPath, command, options);
  }
  terminal.line();
  /** @type {Done | undefined} */
  let done;
  const code = await runAttached(process.execPath, [...command, "--json"], {
    ...options,
    onLine: (line) => {
      const message = JSON.parse(line);
      if (message.type === "token") process.stdout.write(message.text);
      else if (message.type === "done") done = message;
    },
  });
  if (code !== 0 || done === undefined) return code;
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
  const hasPrompt = args.some((arg) => arg === "-" || /^(-p|--prompt|--prompt-file)(=|$)/.test(arg));
  return ["--temperature", "0.7", ...(hasPrompt ? [] : ["--prompt", prompt])];
}

/**
 * @param {Done} done
 * @param {import("./image.mjs").DemoImage} image
 * @param {string} root
 * @returns {string[]}
 */
export function summary(done, image, root) {
  const { timings, device } = done;
  const modelled = device.modelledDecodeTokensPerSecond;
  const rows = [
    [
      "here",
      `${timings.decodeTokensPerSecond.toFixed(1)} tokens/s (${device.name}, ${done.completionTokens} tokens)`,
    ],
    [
      "U280",
      modelled === null
        ? "not modelled"
        : `${Math.round(modelled)} tokens/s (timing model, not a measurement)`,
    ],
    ["weights", `${image.bitsPerWeight.toFixed(2)} bits each`],
    ["image", `${relative(root, image.path)} (${(image.bytes / 1e6).toFixed(1)} MB)`],
  ];
  return rows.map(([name, text]) => `${name.padEnd(9)}${text}`);
}
