/**
 * Pragmas of the HLS sources against AMD's option table (UG1399, "HLS Pragmas"), for the pragmas that we use. A compiler
 * ignores a pragma that it does not know, Vitis one whose option it does not know; both leave another design than the
 * source says.
 */
export interface Finding {
  readonly line: number;
  readonly text: string;
  readonly problem: string;
}

/** Takes a value: any, one of a list, or none (a bare word). */
type Option = "name" | "number" | "bare" | readonly string[];

interface Pragma {
  readonly options: Readonly<Record<string, Option>>;
  readonly required?: readonly string[];
  /** Bare words of which one may stand anywhere, such as m_axi. */
  readonly modes?: readonly string[];
}

const table: Readonly<Record<string, Pragma>> = {
  PIPELINE: { options: { II: "number", off: "bare", rewind: "bare", style: ["stp", "frp", "flp"] } },
  UNROLL: {
    options: { factor: "number", skip_exit_check: "bare", off: ["true"] },
  },
  INLINE: { options: { off: "bare", recursive: "bare" } },
  DATAFLOW: { options: { disable_start_propagation: "bare" } },
  LOOP_TRIPCOUNT: { options: { min: "number", max: "number", avg: "number" }, required: ["max"] },
  LOOP_FLATTEN: { options: { off: "bare" } },
  DEPENDENCE: {
    options: {
      variable: "name",
      dependent: ["true", "false"],
      direction: ["RAW", "WAR", "WAW"],
      distance: "number",
      type: ["intra", "inter"],
      true: "bare",
      false: "bare",
      intra: "bare",
      inter: "bare",
    },
  },
  ARRAY_PARTITION: {
    options: {
      variable: "name",
      type: ["cyclic", "block", "complete"],
      factor: "number",
      dim: "number",
      off: ["true"],
    },
    required: ["variable"],
    modes: ["cyclic", "block", "complete"],
  },
  BIND_STORAGE: {
    options: {
      variable: "name",
      type: ["fifo", "ram_1p", "ram_1wnr", "ram_2p", "ram_s2p", "ram_t2p", "rom_1p", "rom_2p", "rom_np"],
      impl: ["auto", "bram", "lutram", "uram", "srl", "memory"],
      latency: "number",
    },
    required: ["variable", "type"],
  },
  INTERFACE: {
    options: {
      port: "name",
      bundle: "name",
      offset: ["off", "slave", "direct"],
      depth: "number",
      latency: "number",
      register: "bare",
      storage_impl: ["auto", "bram", "uram"],
      max_read_burst_length: "number",
      max_write_burst_length: "number",
      num_read_outstanding: "number",
      num_write_outstanding: "number",
      max_widen_bitwidth: "number",
      channel: "name",
      name: "name",
    },
    required: ["port"],
    modes: ["m_axi", "s_axilite", "axis", "ap_none", "ap_ctrl_hs", "ap_ctrl_chain", "ap_ctrl_none"],
  },
  BIND_OP: {
    options: {
      variable: "name",
      op: ["mul", "add", "sub", "fadd", "fsub", "fmul", "fdiv", "fexp", "frecip", "frsqrt", "fsqrt"],
      impl: ["dsp", "fabric", "meddsp", "fulldsp", "maxdsp", "primitivedsp", "auto", "none"],
      latency: "number",
    },
    required: ["variable", "op"],
  },
  ALLOCATION: {
    options: { instances: "name", limit: "number" },
    required: ["instances", "limit"],
    modes: ["function", "operation"],
  },
  STREAM: {
    options: { variable: "name", depth: "number", type: ["fifo", "pipo", "shared", "unsync"] },
    required: ["variable"],
  },
};

/** Findings in a C++ source; empty where every pragma is one that Vitis takes as it stands. */
export function lintPragmas(source: string): Finding[] {
  return source.split("\n").flatMap((text, index) => {
    if (!/^\s*#\s*pragma\b/.test(text) || /#\s*pragma\s+once\b/.test(text)) return [];
    return problemsOf(text).map((problem) => ({ line: index + 1, text: text.trim(), problem }));
  });
}

function problemsOf(text: string): string[] {
  const match = /^\s*#\s*pragma\s+(\w+)\s*(\w*)\s*(.*)$/.exec(text);
  if (match?.[1]?.toUpperCase() !== "HLS") return ["not an HLS pragma"];
  const [, , written = "", rest = ""] = match;
  const name = written.toUpperCase();
  const pragma = table[name];
  if (pragma === undefined) return [`unknown pragma ${written}`];
  const seen = new Set<string>();
  const problems: string[] = [];
  for (const word of rest
    .replace(/\s*=\s*/g, "=")
    .split(/\s+/)
    .filter(Boolean)) {
    const [key, value] = word.split("=", 2) as [string, string | undefined];
    if (value === undefined && pragma.modes?.includes(key)) continue;
    const option = Object.entries(pragma.options).find(
      ([known]) => known.toLowerCase() === key.toLowerCase(),
    )?.[1];
    if (option === undefined) problems.push(`${name} has no option ${key}`);
    else problems.push(...valueProblems(key, option, value));
    if (seen.has(key.toLowerCase())) problems.push(`${key} is given twice`);
    seen.add(key.toLowerCase());
  }
  for (const key of pragma.required ?? []) {
    if (!seen.has(key)) problems.push(`${name} lacks ${key}`);
  }
  return problems;
}

function valueProblems(key: string, option: Option, value: string | undefined): string[] {
  if (option === "bare") return value === undefined ? [] : [`${key} takes no value`];
  if (value === undefined || value === "") return [`${key} lacks its value`];
  // A number may be a constant's name.
  if (option === "number")
    return /^(\d+|[A-Za-z_][\w:]*)$/.test(value) ? [] : [`${key} takes a number, not ${value}`];
  if (option === "name") return /^[A-Za-z_][\w.:]*$/.test(value) ? [] : [`${key} takes a name, not ${value}`];
  return option.includes(value) ? [] : [`${key} does not take ${value}`];
}
