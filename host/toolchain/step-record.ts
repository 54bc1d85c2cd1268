import { createHash } from "node:crypto";
import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import type { BuildStep } from "./steps.ts";

const recordSchema = z.object({ key: z.string(), outputs: z.record(z.string(), z.number()) });

/** Every file below a path, in a fixed order. */
function filesBelow(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .sort()
    .flatMap((name) => filesBelow(join(path, name)));
}

/**
 * A hash over a step's command line, its tool's version and the content of its inputs: what decides whether it has to
 * run again. Inputs must exist.
 */
export function stepKey(step: BuildStep, version: string): string {
  const hash = createHash("sha256").update(JSON.stringify([step.command, step.args, version]));
  for (const input of step.inputs) {
    for (const file of filesBelow(input)) hash.update(`\0${file}\0`).update(readFileSync(file));
  }
  return hash.digest("hex");
}

/** What a finished step left behind: its key and the sizes of its outputs. An interrupted one left nothing. */
export class StepRecord {
  readonly #file: string;

  constructor(work: string, step: BuildStep) {
    this.#file = join(work, "steps", `${step.name.replaceAll(" ", "-")}.json`);
  }

  /** Whether the step was done with this key and every output is still there. */
  isCurrent(key: string): boolean {
    let record: z.infer<typeof recordSchema>;
    try {
      record = recordSchema.parse(JSON.parse(readFileSync(this.#file, "utf8")));
    } catch {
      return false;
    }
    const same = ([path, bytes]: [string, number]) =>
      statSync(path, { throwIfNoEntry: false })?.size === bytes;
    return record.key === key && Object.entries(record.outputs).every(same);
  }

  clear(): void {
    rmSync(this.#file, { force: true });
  }

  async write(key: string, outputs: readonly string[]): Promise<void> {
    const sizes = Object.fromEntries(outputs.map((path) => [path, statSync(path).size]));
    await mkdir(dirname(this.#file), { recursive: true });
    writeFileSync(`${this.#file}.partial`, JSON.stringify({ key, outputs: sizes }));
    renameSync(`${this.#file}.partial`, this.#file);
  }
}
