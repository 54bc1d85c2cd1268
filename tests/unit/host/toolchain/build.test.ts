import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseXclbin } from "../../../../host/device/xclbin/index.ts";
import { type BuildHooks, buildXclbin, planBuild } from "../../../../host/toolchain/build.ts";
import { commandLine } from "../../../../host/toolchain/steps.ts";
import { StandIns } from "./stand-ins.ts";

/** Numbers of the header's modes: a card's, and the two emulations. */
const modes = { hw: 1, hw_emu: 4, sw_emu: 5 } as const;

let vitis: StandIns;
let output: string;
let work: string;
beforeEach(() => {
  vitis = new StandIns("u280", modes.hw);
  output = join(vitis.folder, "bitstreams");
  work = join(vitis.folder, "work");
});
afterEach(() => vitis.remove());

const options = (target: keyof typeof modes = "hw") =>
  ({ platform: "u280", target, output, work, jobs: 4 }) as const;
const build = (hooks: BuildHooks = {}, env: Record<string, string> = {}) =>
  buildXclbin(options(), { env: { ...vitis.env, ...env }, ...hooks });
const calls = () =>
  readFileSync(vitis.calls, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => line.split(" ").slice(0, 2).join(" "));

describe("accllm build with stand-ins for Vitis", () => {
  it("compiles, links, states the interface, and lists the xclbin in the manifest", async () => {
    const phases: string[] = [];
    const lines: string[] = [];
    const report = await build({ onPhase: (p) => phases.push(p), onLine: (l) => lines.push(l) });
    expect(calls()).toEqual(["v++ --version", "v++ --compile", "v++ --link", "xclbinutil --input"]);
    const bytes = readFileSync(join(output, "u280.xclbin"));
    const entry = {
      file: "u280.xclbin",
      sha256: createHash("sha256").update(bytes).digest("hex"),
      uuid: parseXclbin(bytes).uuid,
      platform: "u280",
      target: "hw",
      shell: "xilinx_u280_gen3x16_xdma_1_202211_1",
      kernelAbi: 2,
      clockMHz: 225,
      tool: "v++ v2022.2",
    };
    expect(JSON.parse(readFileSync(join(output, "manifest.json"), "utf8"))).toEqual({
      version: 1,
      bitstreams: [entry],
    });
    expect(report).toMatchObject({ ...entry, xclbin: join(output, "u280.xclbin") });
    expect(report.summary).toEqual({
      resources: { lut: 412345, ff: 700123, bram36: 612.5, uram: 128, dsp: 4321 },
      worstSlackNs: -0.123,
    });
    expect(phases).toEqual(["system_link", "vpl", "logic placement"]);
    expect(lines).toContain("[11:02:10] Starting logic placement..");
    expect(readFileSync(report.log!, "utf8")).toMatch(/^\$ xclbinutil --input/);
  });

  it("does finished steps not again, and those whose inputs changed", async () => {
    await build();
    const done: string[] = [];
    const again = await build({ onStep: (step, was) => was && done.push(step.name) });
    expect(done).toEqual(["compile", "link", "metadata"]);
    expect(again.log).toBeUndefined();
    rmSync(join(output, "u280.xclbin"));
    await build();
    expect(calls().slice(5)).toEqual(["v++ --version", "xclbinutil --input"]);
    // Another configuration is another link.
    await buildXclbin({ ...options(), profile: true }, { env: vitis.env });
    expect(calls().slice(7)).toEqual(["v++ --version", "v++ --link"]);
  });

  it("goes on after a failure with the step that failed", async () => {
    await expect(build({}, { FAIL: "link" })).rejects.toMatchObject({ code: "TOOL_FAILED" });
    await build();
    expect(calls()).toEqual([
      "v++ --version",
      "v++ --compile",
      "v++ --link",
      "v++ --version",
      "v++ --link",
      "xclbinutil --input",
    ]);
  });

  it("fails with exit code 5 and the first real error of the log", async () => {
    await expect(build({}, { FAIL: "compile" })).rejects.toMatchObject({
      code: "TOOL_FAILED",
      exitCode: 5,
      message: expect.stringMatching(
        /^v\+\+ failed \(exit code 1\): ERROR: \[HLS 207-3777\] use of undeclared/,
      ),
      hint: expect.stringContaining(join(work, "logs", "compile.log")),
    });
    expect(existsSync(join(output, "manifest.json"))).toBe(false);
  });

  it("an interrupt ends the tool and its children", async () => {
    const stop = new AbortController();
    const onLine = (line: string) => line === "INFO: hanging" && stop.abort();
    await expect(build({ signal: stop.signal, onLine }, { HANG: "compile" })).rejects.toMatchObject({
      code: "INTERRUPTED",
      exitCode: 130,
    });
    const pids = readFileSync(vitis.hanging, "utf8").split(" ").map(Number);
    expect(pids).toHaveLength(2);
    await expect.poll(() => pids.filter(isRunning)).toEqual([]);
    // Nothing counts as done.
    await build();
  });

  it("a tool that writes nothing, or another kernel, is an error", async () => {
    await expect(build({}, { SILENT: "link" })).rejects.toMatchObject({
      code: "OUTPUT_MISSING",
      exitCode: 5,
    });
    const other = new StandIns("u55c", modes.hw);
    await expect(buildXclbin(options(), { env: { ...other.env, CALLS: vitis.calls } })).rejects.toMatchObject(
      { code: "OUTPUT_WRONG", exitCode: 5, message: expect.stringContaining("w29 kv0") },
    );
    other.remove();
  });

  it("without Vitis says what is missing", async () => {
    const nothing = join(vitis.folder, "nothing");
    mkdirSync(nothing);
    await expect(build({ env: { PATH: nothing } })).rejects.toMatchObject({
      code: "TOOL_MISSING",
      exitCode: 5,
      hint: expect.stringContaining("settings64.sh"),
    });
  });

  it.each(["hw_emu", "sw_emu"] as const)("%s also describes the emulated platform", async (target) => {
    const emulation = new StandIns("u280", modes[target]);
    const report = await buildXclbin(
      { ...options(target) },
      { env: { ...emulation.env, CALLS: vitis.calls } },
    );
    expect(calls().at(-1)).toBe("emconfigutil --platform");
    expect(report).toMatchObject({ target, file: `u280.${target}.xclbin` });
    emulation.remove();
  });

  it("refuses what was built for another mode than asked", async () => {
    await expect(buildXclbin(options("hw_emu"), { env: vitis.env })).rejects.toMatchObject({
      code: "OUTPUT_WRONG",
    });
  });

  it("a dry run has the commands of the build, and writes nothing", async () => {
    const { steps } = planBuild(options());
    expect(existsSync(work)).toBe(false);
    await build();
    const ran = readFileSync(vitis.calls, "utf8").trimEnd().split("\n").slice(1);
    expect(steps.map(commandLine)).toEqual(ran);
  });

  it("quotes what a shell would split", () => {
    expect(commandLine({ command: "v++", args: ["--a", "b c", "it's"] })).toBe("v++ --a 'b c' 'it'\\''s'");
  });

  it("refuses a platform that no card has", () => {
    expect(() => planBuild({ platform: "tiny", target: "hw" })).toThrowError(
      expect.objectContaining({ code: "PLATFORM_UNKNOWN", exitCode: 2 }),
    );
  });
});

function isRunning(pid: number): boolean {
  try {
    // A zombie still has a number.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

it("damaged records count as nothing done", async () => {
  await build();
  writeFileSync(join(work, "steps", "link.json"), "{");
  await build();
  expect(calls().filter((call) => call === "v++ --link")).toHaveLength(2);
});
