import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../shared/data/", import.meta.url));

/** Whether the optional fixture folder ../shared/data, beside the repository, is absent. */
export const sharedDataAbsent = !existsSync(root);

/** A file of the optional fixture folder. */
export function sharedData(path: string): string {
  return `${root}${path}`;
}

/** The checkpoint that lies in the repository. */
export const demoCheckpoint = fileURLToPath(new URL("../../models/demo", import.meta.url));
