import { runAttached } from "../setup/command.mjs";
import { SetupFailure } from "../setup/failure.mjs";

/**
 * Runs a verb of the built command line with --json.
 * @param {import("../setup/project.mjs").ProjectPaths} paths
 * @param {readonly string[]} args verb and its arguments
 * @param {AbortSignal} signal
 * @param {(message: any) => void} onMessage called with every object of its output
 * @throws {SetupFailure} with the verb's own message, hint and exit code where it fails
 */
export async function runVerb(paths, args, signal, onMessage) {
  /** @type {{ message: string, hint?: string } | undefined} */
  let error;
  const code = await runAttached(process.execPath, [paths.cli, ...args, "--json"], {
    cwd: paths.root,
    signal,
    onLine: (line) => {
      const message = JSON.parse(line);
      if (message.error) error = message.error;
      else onMessage(message);
    },
  });
  if (code === 0) return;
  const { message, hint } = error ?? { message: `accllm ${args[0]} ended with exit code ${code}.` };
  throw new SetupFailure(message, { exitCode: code, ...(hint === undefined ? {} : { hint }) });
}
