import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  emulationXclbin,
  parseXclbin,
  sectionKinds,
  writeXclbin,
} from "../../../../host/device/xclbin/index.ts";
import { writeKeyValues } from "../../../../host/device/xclbin/metadata.ts";
import { platforms } from "../../../../quant/format/platform.ts";

/**
 * Stand-ins for Vitis' programs, as scripts on a PATH of their own. They take the options that UG1393 (2022.2) lists for
 * each mode and nothing else, and write what the real ones would: files, logs, reports, xclbins.
 */

/** Option -> whether it takes a value, typed in from UG1393 "v++ General Options", and for which modes it is. */
const standIn = String.raw`#!/usr/bin/env node
const fs = require("fs"), path = require("path");
const say = (line) => process.stdout.write(line + "\n");
const fail = (line) => { say("ERROR: [v++ 60-400] " + line); process.exit(1); };
const argv = process.argv.slice(2);
fs.appendFileSync(process.env.CALLS, path.basename(__filename) + " " + argv.join(" ") + "\n");
const known = {
  "v++": {
    "--target": 1, "--platform": 1, "--save-temps": 0, "--temp_dir": 1, "--log_dir": 1, "--report_dir": 1, "--output": 1,
    "--compile": 0, "--kernel": 1, "--define": 1, "--include": 1, "--hls.clock": 1,
    "--link": 0, "--config": 1, "--jobs": 1, "--version": 0,
  },
  xclbinutil: { "--input": 1, "--output": 1, "--key-value": 1, "--force": 0 },
  emconfigutil: { "--platform": 1, "--nd": 1, "--od": 1 },
}[path.basename(__filename)];
const given = {}, files = [];
for (let i = 0; i < argv.length; i++) {
  if (!argv[i].startsWith("-")) { files.push(argv[i]); continue; }
  if (!(argv[i] in known)) fail("unrecognised option '" + argv[i] + "'");
  (given[argv[i]] ??= []).push(known[argv[i]] ? argv[++i] : true);
}
const one = (name) => given[name]?.length === 1 ? given[name][0] : fail("option '" + name + "' is required once");
const compileOnly = ["--kernel", "--define", "--include", "--hls.clock"], linkOnly = ["--config", "--jobs"];
`;

const vpp = `${standIn}
if (given["--version"]) { say("****** v++ v2022.2 (64-bit)"); process.exit(0); }
const mode = given["--compile"] ? "compile" : given["--link"] ? "link" : fail("no mode");
for (const name of mode === "compile" ? linkOnly : compileOnly) if (given[name]) fail(name + " is not for " + mode);
if (!["hw", "hw_emu", "sw_emu"].includes(one("--target"))) fail("bad target");
if (!/^xilinx_u\\w+_gen3x16_xdma_\\w+$/.test(one("--platform"))) fail("bad platform");
for (const name of ["--temp_dir", "--log_dir", "--report_dir"]) one(name);
say("INFO: [v++ 60-1306] Additional information associated with this v++ " + mode);
if (process.env.FAIL === mode) {
  say("INFO: [HLS 200-10] Analyzing design file");
  say("ERROR: [HLS 207-3777] use of undeclared identifier 'beet' (accllm.cpp:12:3)");
  say("ERROR: [v++ 60-300] Failed to build kernel(ip) accllm, see log for details");
  say("ERROR: [v++ 60-599] Kernel compilation failed to complete");
  process.exit(1);
}
if (process.env.HANG === mode) {
  const { spawn } = require("child_process");
  const child = spawn("sleep", ["300"], { stdio: "ignore" });
  fs.writeFileSync(process.env.HANGING, process.pid + " " + child.pid);
  say("INFO: hanging");
  setInterval(() => {}, 1000);
} else if (mode === "compile") {
  if (one("--kernel") !== "accllm" || !/^\\d+:accllm$/.test(one("--hls.clock"))) fail("kernel or clock");
  for (const folder of given["--include"]) if (!fs.statSync(folder).isDirectory()) fail("no folder " + folder);
  if (files.length !== 1 || !fs.readFileSync(files[0], "utf8").includes("accllm(")) fail("no source with the kernel");
  fs.writeFileSync(one("--output"), "xo");
} else {
  if (files.length !== 1 || fs.readFileSync(files[0], "utf8") !== "xo") fail("no xo");
  const sections = {}; let section;
  for (const line of fs.readFileSync(one("--config"), "utf8").split("\\n")) {
    if (/^#|^$/.test(line)) continue;
    const head = /^\\[(\\w+)\\]$/.exec(line);
    if (head) section = sections[head[1]] = []; else if (section && /^\\w+=\\S+$/.test(line)) section.push(line); else fail("bad line " + line);
  }
  if (Object.keys(sections).some((name) => !["connectivity", "clock", "profile"].includes(name))) fail("bad section");
  const sp = sections.connectivity.filter((line) => line.startsWith("sp="));
  if (sp.some((line) => !/^sp=accllm_1\\.\\w+:(HBM|DDR)\\[\\d+\\]$/.test(line))) fail("bad sp");
  if (!sections.connectivity.includes("nk=accllm:1:accllm_1") || !sections.connectivity.includes("slr=accllm_1:SLR0")) fail("nk, slr");
  if (!/^freqHz=\\d+:accllm_1$/.test(sections.clock.join())) fail("bad clock");
  say("INFO: [v++ 60-1443] [10:15:12] Run run_link: Step system_link: Started");
  say("INFO: [v++ 60-1443] [10:15:33] Run run_link: Step vpl: Started");
  say("[11:02:10] Starting logic placement..");
  const reports = path.join(one("--report_dir"), "imp");
  fs.mkdirSync(reports, { recursive: true });
  fs.writeFileSync(path.join(reports, "impl_1_full_util_routed.rpt"), process.env.UTILIZATION);
  fs.writeFileSync(path.join(reports, "impl_1_hw_bb_locked_timing_summary_routed.rpt"), process.env.TIMING);
  if (process.env.SILENT !== "link") fs.copyFileSync(process.env.LINKED, one("--output"));
}
`;

const xclbinutil = `${standIn}
if (!fs.readFileSync(one("--input")).equals(fs.readFileSync(process.env.LINKED))) fail("another input");
if (!/^USER:[\\w.]+:\\w+$/.test(one("--key-value"))) fail("bad key");
fs.copyFileSync(process.env.STAMPED, one("--output"));
`;

const emconfigutil = `${standIn}
if (one("--nd") !== "1") fail("devices");
fs.writeFileSync(path.join(one("--od"), "emconfig.json"), "{}");
`;

/** As Vivado writes them (report_utilization, report_timing_summary), cut to what matters. */
const utilization = `
+----------------------------+--------+-------+------------+-----------+-------+
|          Site Type         |  Used  | Fixed | Prohibited | Available | Util% |
+----------------------------+--------+-------+------------+-----------+-------+
| CLB LUTs                   | 412345 |     0 |          0 |   1303680 | 31.63 |
|   LUT as Logic             | 380000 |     0 |          0 |   1303680 | 29.15 |
| CLB Registers              | 700123 |     0 |          0 |   2607360 | 26.85 |
| Block RAM Tile             |  612.5 |     0 |          0 |      2016 | 30.38 |
| URAM                       |    128 |     0 |          0 |       960 | 13.33 |
| DSPs                       |   4321 |    12 |          0 |      9024 | 47.88 |
`;
const timing = `
------------------------------------------------------------------------------------------------
| Design Timing Summary
| ---------------------
------------------------------------------------------------------------------------------------

    WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints      WHS(ns)
    -------      -------  ---------------------  -------------------      -------
     -0.123       -4.567                     12              1234567        0.010
`;

export class StandIns {
  readonly folder = mkdtempSync(join(tmpdir(), "accllm-vitis-"));
  readonly calls = join(this.folder, "calls");
  readonly hanging = join(this.folder, "hanging");
  readonly env: Record<string, string>;

  /** @param mode header mode of the xclbins that the linker writes */
  constructor(platform: string, mode: number) {
    const bin = join(this.folder, "bin");
    mkdirSync(bin);
    for (const [name, text] of Object.entries({ "v++": vpp, xclbinutil, emconfigutil })) {
      writeFileSync(join(bin, name), text);
      chmodSync(join(bin, name), 0o755);
    }
    writeFileSync(this.calls, "");
    const stamped = join(this.folder, "stamped.xclbin");
    const linked = join(this.folder, "linked.xclbin");
    const whole = parseXclbin(emulationXclbin(platforms[platform]!));
    const header = { ...whole.header, mode };
    const { extra: _extra, fileBytes: _bytes, statedBytes: _stated, ...parts } = whole;
    writeFileSync(stamped, writeXclbin({ ...parts, header }));
    const unstamped = parts.sections.map(({ offset: _offset, ...section }) =>
      section.kind === sectionKinds.KEYVALUE_METADATA ? { ...section, bytes: writeKeyValues({}) } : section,
    );
    writeFileSync(linked, writeXclbin({ header, sections: unstamped }));
    this.env = {
      PATH: `${bin}:${process.env.PATH}`,
      CALLS: this.calls,
      HANGING: this.hanging,
      LINKED: linked,
      STAMPED: stamped,
      UTILIZATION: utilization,
      TIMING: timing,
    };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}
