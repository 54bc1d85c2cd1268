import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadExeca } from "./execa.ts";

/** What the checks see of the computer; tests put their own in its place. */
export interface Machine {
  readonly environment: NodeJS.ProcessEnv;
  /** Prefix of /sys and /dev; "" for the real ones. */
  readonly root: string;
  readonly nodeVersion: string;
  /** Standard output of a command, or undefined where it does not exist or fails. */
  run(command: string, args: readonly string[]): Promise<string | undefined>;
  /** The JSON report that `xbutil examine` writes of a card, or undefined where there is none. */
  examine(bdf: string): Promise<string | undefined>;
}

const commandTimeoutMs = 15_000;
const reports = ["host", "platform", "dynamic-regions", "electrical", "thermal"];

async function run(command: string, args: readonly string[]): Promise<string | undefined> {
  const execa = await loadExeca();
  const result = await execa(command, [...args], {
    reject: false,
    timeout: commandTimeoutMs,
    stdin: "ignore",
  });
  return result.failed ? undefined : result.stdout;
}

/** This computer. */
export const thisMachine: Machine = {
  environment: process.env,
  root: "",
  nodeVersion: process.versions.node,
  run,
  async examine(bdf) {
    const folder = await mkdtemp(join(tmpdir(), "accllm-xbutil-"));
    try {
      const report = join(folder, "report.json");
      const done = await run("xbutil", [
        "examine",
        "--device",
        bdf,
        "--report",
        ...reports,
        "--format",
        "JSON",
        "--output",
        report,
      ]);
      return done === undefined ? undefined : await readFile(report, "utf8");
    } catch {
      return undefined;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};
