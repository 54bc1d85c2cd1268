import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { packageRoot } from "../../host/config/paths.ts";

/** `accllm serve` as a process of its own. */
export interface ServerProcess {
  readonly child: ChildProcess;
  readonly url: string;
  readonly port: number;
  /** Kills it and waits until it is gone. */
  end(signal: NodeJS.Signals): Promise<void>;
}

/** Starts a server on a free port and waits until it takes requests. */
export async function startServerProcess(
  program: string,
  image: string,
  options: readonly string[] = [],
): Promise<ServerProcess> {
  const args = [program, "serve", image, "--port", "0", "--json", "--log-level", "error", ...options];
  const child = spawn(process.execPath, args, { cwd: packageRoot, stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  const { url } = JSON.parse(line) as { url: string };
  return {
    child,
    url,
    port: Number(new URL(url).port),
    async end(signal) {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, "exit");
      child.kill(signal);
      await gone;
    },
  };
}
