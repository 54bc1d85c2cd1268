import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { kernelAbiVersion } from "../../../../quant/format/platform.ts";
import { StandIns } from "../toolchain/stand-ins.ts";
import { accllm } from "./harness.ts";

let vitis: StandIns;
beforeEach(() => {
  vitis = new StandIns("u280", 1);
});
afterEach(() => vitis.remove());

describe("accllm build", () => {
  it("--dry-run prints the configuration and the exact commands, and runs nothing", async () => {
    const { code, stdout } = await accllm(["build", "--target", "hw", "--platform", "u55c", "--dry-run"], {
      env: vitis.env,
    });
    expect(code).toBe(0);
    expect(stdout).toContain("sp=accllm_1.w29:HBM[29]\n");
    expect(stdout).toMatch(/^v\+\+ --compile --target hw --platform xilinx_u55c_gen3x16_xdma_3_202210_1 /m);
    expect(stdout).toMatch(
      new RegExp(`^xclbinutil .*--key-value USER:accllm\\.abi:${kernelAbiVersion}`, "m"),
    );
    expect(readFileSync(vitis.calls, "utf8")).toBe("");

    const json = await accllm(["build", "--target", "hw_emu", "--dry-run", "--json"], { env: vitis.env });
    const { commands } = JSON.parse(json.stdout);
    expect(commands.map(({ command }: { command: string }) => command)).toEqual([
      "v++",
      "v++",
      "xclbinutil",
      "emconfigutil",
    ]);
  });

  it("shows the tool's lines as they come, and the file with its figures at the end", async () => {
    const output = join(vitis.folder, "out");
    const work = join(vitis.folder, "work");
    const argv = ["build", "--target", "hw", "--jobs", "2", "--output", output, "--work", work];
    const { code, stdout, stderr } = await accllm(argv, { env: vitis.env });
    expect({ code, stderr }).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("warning: the clock is not met"),
    });
    expect(existsSync(join(output, "u280.xclbin"))).toBe(true);
    expect(stdout).toMatch(/^worst slack +-0\.123 ns$/m);
    expect(stdout).toMatch(/^lut +412,345$/m);
  });

  it("exits with 5 without Vitis, and with 2 without a target", async () => {
    const missing = await accllm(["build", "--target", "hw"], { env: { PATH: vitis.folder } });
    expect(missing).toMatchObject({ code: 5, stderr: expect.stringContaining("settings64.sh") });
    expect((await accllm(["build"])).code).toBe(2);
    expect((await accllm(["build", "--target", "hw", "--platform", "tiny"])).code).toBe(2);
  });
});

describe("accllm flash", () => {
  it("exits with 4 where there is no card, and with 2 where there is nothing to program", async () => {
    expect(await accllm(["flash", "--shell", "--yes", "--device", "xrt:7"])).toMatchObject({
      code: 4,
      stdout: "",
    });
    expect((await accllm(["flash"])).code).toBe(2);
    expect((await accllm(["flash", "no-such.xclbin"])).code).toBe(3);
  });
});
