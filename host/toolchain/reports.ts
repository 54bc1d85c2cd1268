import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** Resources that a design takes, in numbers of each kind, as Vivado counts them. */
export interface ResourceUse {
  readonly lut?: number;
  readonly ff?: number;
  readonly bram36?: number;
  readonly uram?: number;
  readonly dsp?: number;
}

export interface BuildSummary {
  readonly resources?: ResourceUse;
  /** Worst negative slack in nanoseconds; below zero the clock is not met. */
  readonly worstSlackNs?: number;
}

/** Rows of Vivado's report_utilization, in the words of different releases. */
const rows: readonly (readonly [keyof ResourceUse, RegExp])[] = [
  ["lut", /^(CLB|Slice) LUTs\*?$/],
  ["ff", /^(CLB|Slice) Registers$/],
  ["bram36", /^Block RAM Tile$/],
  ["uram", /^URAM$/],
  ["dsp", /^DSPs$/],
];

/** Reads report_utilization: "| CLB LUTs | 123456 | 0 | ..."; the first row of a name counts. */
export function parseUtilization(text: string): ResourceUse {
  const found: { -readonly [K in keyof ResourceUse]: ResourceUse[K] } = {};
  for (const line of text.split("\n")) {
    const [, name = "", used = ""] = line.split("|").map((cell) => cell.trim());
    const key = rows.find(([, pattern]) => pattern.test(name))?.[0];
    const value = Number(used);
    if (key !== undefined && used !== "" && Number.isFinite(value)) found[key] ??= value;
  }
  return found;
}

/** Reads the design timing summary of report_timing_summary: the first number of the row below "WNS(ns)". */
export function parseTiming(text: string): number | undefined {
  const lines = text.split("\n");
  const head = lines.findIndex((line) => /^\s*WNS\(ns\)\s+TNS\(ns\)/.test(line));
  if (head < 0) return undefined;
  const values = lines.slice(head + 1).find((line) => /^\s*-?\d/.test(line));
  const slack = Number(values?.trim().split(/\s+/)[0]);
  return Number.isFinite(slack) ? slack : undefined;
}

async function filesBelow(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  } catch {
    return [];
  }
}

/** What the reports of a build say after routing; nothing of what is not there (emulation has no implementation). */
export async function readSummary(folder: string): Promise<BuildSummary> {
  const files = (await filesBelow(folder)).sort();
  const text = async (pattern: RegExp) => {
    const file = files.find((path) => pattern.test(path));
    return file === undefined ? undefined : await readFile(file, "utf8");
  };
  const utilization = await text(/full_util_routed\.rpt$/);
  const timing = await text(/timing_summary_routed\.rpt$/);
  const slack = timing === undefined ? undefined : parseTiming(timing);
  return {
    ...(utilization === undefined ? {} : { resources: parseUtilization(utilization) }),
    ...(slack === undefined ? {} : { worstSlackNs: slack }),
  };
}
