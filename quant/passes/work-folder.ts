import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { InputError, UsageError } from "../../host/errors.ts";

const resultSchema = z.object({ before: z.number(), best: z.number() });
const manifestSchema = z.object({
  /** Hash of everything that the work depends on. */
  fingerprint: z.string(),
  /** Layers that are done, in order; null where nothing was trained. */
  layers: z.array(resultSchema.nullable()),
  /** End-to-end training after so many epochs. */
  model: resultSchema.extend({ epochs: z.number().int().positive() }).nullable(),
});

export type WorkState = z.infer<typeof manifestSchema>;

/**
 * The folder beside an image where training keeps what is done, so that a killed run can go on: one file a layer, one
 * for the whole model, and a manifest that names only complete files.
 */
export class WorkFolder {
  readonly path: string;
  state: WorkState;

  private constructor(path: string, state: WorkState) {
    this.path = path;
    this.state = state;
  }

  /**
   * @param resume whether to go on with what is there; else it is removed.
   * @throws UsageError where what is there comes from other options or another checkpoint; InputError where the folder
   *   cannot be written.
   */
  static async open(output: string, fingerprint: string, resume: boolean): Promise<WorkFolder> {
    const path = `${output}.work`;
    const fresh: WorkState = { fingerprint, layers: [], model: null };
    try {
      if (!resume) await rm(path, { recursive: true, force: true });
      await mkdir(path, { recursive: true });
    } catch (cause) {
      throw new InputError("OUTPUT_WRITE_FAILED", `Cannot write ${path}: ${(cause as Error).message}.`, {
        cause,
      });
    }
    const found = resume ? await readManifest(path) : undefined;
    if (found !== undefined && found.fingerprint !== fingerprint) {
      throw new UsageError(
        "RESUME_MISMATCH",
        `The work in ${path} is of another checkpoint, text or options.`,
        {
          hint: "Give the options of the run that was interrupted, or leave --resume away to start anew.",
        },
      );
    }
    return new WorkFolder(path, found ?? fresh);
  }

  layerFile(layer: number): string {
    return join(this.path, `layer-${layer}.bin`);
  }

  /** The model's state after some epochs: two names in turn, so that the last complete one is never written over. */
  modelFile(epochs: number): string {
    return join(this.path, `model-${epochs % 2}.bin`);
  }

  /** Replaces the manifest; the files that it names must be complete. */
  async update(state: Partial<WorkState>): Promise<void> {
    this.state = { ...this.state, ...state };
    const target = manifestPath(this.path);
    await writeFile(`${target}.new`, JSON.stringify(this.state));
    await rename(`${target}.new`, target);
  }

  /** Removes the folder. */
  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

function manifestPath(folder: string): string {
  return join(folder, "state.json");
}

async function readManifest(folder: string): Promise<WorkState | undefined> {
  const text = await readFile(manifestPath(folder), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return manifestSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new InputError("WORK_DAMAGED", `${manifestPath(folder)} is damaged.`, {
      hint: "Leave --resume away to start anew.",
      cause,
    });
  }
}
