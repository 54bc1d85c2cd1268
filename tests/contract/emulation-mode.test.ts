import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { openDevice } from "../../host/device/open.ts";
import { emulationXclbin, parseXclbin, writeXclbin, xclbinModes } from "../../host/device/xclbin/index.ts";
import type { XrtDevice } from "../../host/device/xrt/device.ts";
import { platforms } from "../../quant/format/platform.ts";
import { FakeMachine } from "../unit/host/device/fake-machine.ts";
import { buildDouble, buildTimeoutMs, makeWorkspace, xrtLibrary } from "./support.ts";

let double: string;
let workspace: ReturnType<typeof makeWorkspace>;
let machine: FakeMachine;
let copies = 0;

/** The emulator's library in XRT's place, as one that this process has not loaded yet. */
function freshLibrary(): string {
  const path = join(workspace.folder, `libxrt_coreutil-${copies++}.so.2`);
  copyFileSync(double, path);
  return path;
}

/** The xclbin of `tiny` as if it were built for a mode, in a folder of its own. */
function xclbinFor(mode: string, { configured = false } = {}): string {
  const parsed = parseXclbin(emulationXclbin(platforms.tiny!));
  const folder = join(workspace.folder, `${mode}-${copies++}`);
  mkdirSync(folder);
  const file = join(folder, "tiny.xclbin");
  writeFileSync(
    file,
    writeXclbin({ ...parsed, header: { ...parsed.header, mode: xclbinModes.indexOf(mode as never) } }),
  );
  if (configured) writeFileSync(join(folder, "emconfig.json"), "{}");
  return file;
}

beforeAll(() => {
  double = buildDouble();
  workspace = makeWorkspace();
  vi.stubEnv("ACCLLM_NATIVE_DIR", join(dirname(double), "emulator"));
  machine = new FakeMachine();
  machine.environment.XILINX_XRT = machine.root;
  machine.environment.XILINX_VITIS = machine.root;
  for (const name of ["core", "swemu", "hwemu", "noop"]) machine.addFile(`lib/libxrt_${name}.so.2`);
}, buildTimeoutMs);
beforeEach(() => {
  vi.stubEnv("XCL_EMULATION_MODE", undefined);
  vi.stubEnv("EMCONFIG_PATH", undefined);
  delete machine.environment.XCL_EMULATION_MODE;
});
afterAll(() => {
  vi.unstubAllEnvs();
  machine.remove();
  workspace.remove();
});

const open = (xclbin: string, libraryPath = freshLibrary()) =>
  openDevice("xrt:0", { xclbin, libraryPath, machine }) as Promise<XrtDevice>;

describe("the emulation mode of XRT is the xclbin's", () => {
  it.each([
    ["sw_emu", "sw_emu"],
    ["hw_emu", "hw_emu"],
    ["hw_emu-pr", "hw_emu"],
  ])("a file for %s needs no card and no variable", async (mode, variable) => {
    const device = await open(xclbinFor(mode));
    expect(process.env.XCL_EMULATION_MODE).toBe(variable);
    expect(process.env.EMCONFIG_PATH).toBeUndefined();
    expect(device).toMatchObject({ name: `XRT (${variable})`, card: undefined });
    device.close();
  });

  it("the emulated platform is looked for beside the file, unless somebody says where", async () => {
    const xclbin = xclbinFor("hw_emu", { configured: true });
    (await open(xclbin)).close();
    expect(process.env.EMCONFIG_PATH).toBe(dirname(xclbin));
    vi.stubEnv("EMCONFIG_PATH", "/elsewhere");
    machine.environment.EMCONFIG_PATH = "/elsewhere";
    (await open(xclbin)).close();
    expect(process.env.EMCONFIG_PATH).toBe("/elsewhere");
    delete machine.environment.EMCONFIG_PATH;
  });

  it("a file for a card is for a card, whatever the variable says", async () => {
    machine.environment.XCL_EMULATION_MODE = "hw_emu";
    vi.stubEnv("XCL_EMULATION_MODE", "hw_emu");
    const xclbin = xclbinFor("flat");
    await expect(open(xclbin)).rejects.toMatchObject({ code: "NO_CARD", exitCode: 4 });
    machine.addCard({ bdf: "0000:3b:00.1", driver: "xocl", renderNode: "renderD128" });
    machine.addRenderNode("renderD128");
    const device = await open(xclbin);
    expect(process.env.XCL_EMULATION_MODE).toBeUndefined();
    expect(device.card?.bdf).toBe("0000:3b:00.1");
    device.close();
    machine.removeCard("0000:3b:00.1");
  });

  it("noop runs nothing, and takes files of either kind", async () => {
    machine.environment.XCL_EMULATION_MODE = "noop";
    const device = await open(xclbinFor("flat"));
    expect(process.env.XCL_EMULATION_MODE).toBe("noop");
    device.close();
  });

  it("the library that a mode needs is named where it is missing", async () => {
    const bare = new FakeMachine();
    bare.environment.XILINX_XRT = bare.root;
    bare.addFile("lib/libxrt_core.so.2");
    const opened = openDevice("xrt:0", {
      xclbin: xclbinFor("hw_emu"),
      libraryPath: freshLibrary(),
      machine: bare,
    });
    await expect(opened).rejects.toMatchObject({
      code: "XRT_ENVIRONMENT",
      message: expect.stringContaining("libxrt_hwemu.so.2"),
    });
    bare.remove();
  });

  it("a process keeps its mode: another one is refused, the same one is not", async () => {
    const library = freshLibrary();
    (await open(xclbinFor("sw_emu"), library)).close();
    (await open(xclbinFor("sw_emu"), library)).close();
    await expect(open(xclbinFor("hw_emu"), library)).rejects.toMatchObject({
      code: "XRT_MODE_FIXED",
      message: expect.stringMatching(/sw_emu.*hw_emu/),
    });
    expect(process.env.XCL_EMULATION_MODE).toBe("sw_emu");
  });

  it("an xclbin that cannot be read is told before XRT is touched", async () => {
    await expect(open(join(workspace.folder, "none.xclbin"))).rejects.toMatchObject({
      code: "XCLBIN_UNREADABLE",
      exitCode: 3,
    });
    const cut = join(workspace.folder, "cut.xclbin");
    writeFileSync(cut, emulationXclbin(platforms.tiny!).subarray(0, 3000));
    await expect(open(cut)).rejects.toMatchObject({ code: "XCLBIN_INVALID", exitCode: 3 });
  });

  it.skipIf(xrtLibrary === undefined)(
    "XRT itself opens its emulation for such a file, and nothing without it (needs libxrt1)",
    async () => {
      const xrt = join(workspace.folder, "real");
      mkdirSync(join(xrt, "lib"), { recursive: true });
      for (const name of ["core", "coreutil", "swemu"]) {
        const file = `libxrt_${name}.so.2`;
        symlinkSync(join(dirname(xrtLibrary!), file), join(xrt, "lib", file));
      }
      vi.stubEnv("XILINX_XRT", xrt);
      vi.stubEnv("XILINX_VITIS", xrt);
      vi.stubEnv("USER", "somebody");
      const real = { libraryPath: xrtLibrary!, machine: { ...machineHere(), environment: process.env } };
      const device = await openDevice("xrt:0", { xclbin: xclbinFor("sw_emu"), ...real });
      expect(device.name).toBe("XRT (sw_emu)");
      device.close();
      await expect(openDevice("xrt:0", { xclbin: xclbinFor("flat"), ...real })).rejects.toMatchObject({
        code: "NO_CARD",
      });
    },
  );
});

/** A computer without a card. */
function machineHere() {
  const bare = new FakeMachine();
  return { root: bare.root, nodeVersion: bare.nodeVersion, run: bare.run, examine: bare.examine };
}
