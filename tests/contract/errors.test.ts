import { copyFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { openDevice } from "../../host/device/open.ts";
import { emulationXclbin, parseXclbin, writeXclbin } from "../../host/device/xclbin/index.ts";
import { XrtDevice } from "../../host/device/xrt/device.ts";
import { openLibrary } from "../../host/device/xrt/library.ts";
import { platforms } from "../../quant/format/platform.ts";
import { type FakeCard, FakeMachine } from "../unit/host/device/fake-machine.ts";
import { buildDouble, buildTimeoutMs, makeWorkspace } from "./support.ts";

/**
 * Every error of the table in docs/xrt.md that a device can answer with, on a made-up machine with a made-up card whose
 * XRT is the emulator's library.
 */
const shellUuid = "10fe9f5a-0c95-4e06-a6a8-4b2b1e7e12d5";
const otherShellUuid = "283e0151-9d35-1f1b-1b1b-283e01519d35";
const card = {
  bdf: "0000:3b:00.1",
  driver: "xocl",
  renderNode: "renderD128",
  files: {
    "rom.u.1/VBNV": "xilinx_u280_gen3x16_xdma_base_1",
    interface_uuids: shellUuid.replaceAll("-", ""),
    ready: "0x1",
  },
} satisfies FakeCard;

let libraryPath: string;
let workspace: ReturnType<typeof makeWorkspace>;
let machine: FakeMachine;
beforeAll(() => {
  libraryPath = buildDouble();
  workspace = makeWorkspace();
  vi.stubEnv("ACCLLM_NATIVE_DIR", join(dirname(libraryPath), "emulator"));
}, buildTimeoutMs);
afterAll(() => {
  workspace.remove();
  vi.unstubAllEnvs();
});
beforeEach(() => {
  machine = new FakeMachine();
  machine.environment.XILINX_XRT = machine.root;
  machine.addFile("lib/libxrt_core.so.2");
});
afterEach(() => {
  vi.stubEnv("ACCLLM_EMU_FAULT", undefined);
  vi.stubEnv("XCL_EMULATION_MODE", undefined);
  machine.remove();
});

const open = (device = "xrt:0") => openDevice(device, { libraryPath, machine }) as Promise<XrtDevice>;
const failure = (code: string, ...parts: string[]) => ({
  code,
  exitCode: 4,
  message: expect.stringMatching(new RegExp(parts.join(".*"))),
  hint: expect.stringMatching(/\w+/),
});

/** An open, made-up card with a kernel and its arguments. */
async function session(device: XrtDevice) {
  device.load(workspace.xclbin);
  const kernel = device.openKernel("accllm");
  const buffers = ["w0", "w1", "kv0", "table", "io"].map((name) => [name, kernel.allocate(name, 4096)]);
  return { device, kernel, args: { ...Object.fromEntries(buffers), job: 1 } };
}

describe("opening a card", () => {
  it("without one", async () => {
    await expect(open()).rejects.toMatchObject(failure("NO_CARD", "PCIe bus"));
  });

  it("by an index or an address that no card has", async () => {
    machine.addCard(card);
    await expect(open("xrt:1")).rejects.toMatchObject(failure("CARD_UNKNOWN", "index 1"));
    await expect(open("xrt:5e:00.1")).rejects.toMatchObject({
      ...failure("CARD_UNKNOWN", "0000:5e:00.1"),
      hint: expect.stringContaining("xrt:0000:3b:00.1"),
    });
  });

  it("without XRT's driver, or bound to another", async () => {
    machine.addCard({ bdf: card.bdf });
    await expect(open()).rejects.toMatchObject(failure("NO_DRIVER", "0000:3b:00.1", "no driver"));
    machine.removeCard(card.bdf);
    machine.addCard({ bdf: card.bdf, driver: "vfio-pci" });
    await expect(open()).rejects.toMatchObject(failure("NO_DRIVER", "vfio-pci"));
  });

  it("that is not ready", async () => {
    machine.addCard({ ...card, files: { ready: "0x0" } });
    await expect(open()).rejects.toMatchObject(failure("CARD_NOT_READY", "0000:3b:00.1"));
  });

  it("whose render node may not be used", async () => {
    machine.addCard(card);
    await expect(open()).rejects.toMatchObject({
      ...failure("NO_PERMISSION", "/dev/dri/renderD128"),
      hint: expect.stringContaining("usermod -aG render"),
    });
  });

  it("counts cards that are ready before the others, as XRT does", async () => {
    machine.addCard({ ...card, bdf: "0000:01:00.1", files: { ready: "0x0" } });
    machine.addCard(card);
    machine.addRenderNode("renderD128");
    const device = await open("xrt:0");
    expect(device.card?.bdf).toBe("0000:3b:00.1");
    expect(device.name).toBe("xilinx_u280_gen3x16_xdma_base_1");
    device.close();
  });

  it("with an XRT that is too old, by its file's name", async () => {
    machine.addCard(card);
    const old = join(workspace.folder, "libxrt_coreutil.so.2.8.0");
    copyFileSync(libraryPath, old);
    const opened = openDevice("xrt:0", { libraryPath: old, machine });
    await expect(opened).rejects.toMatchObject(failure("XRT_TOO_OLD", "2.8.0", "2.11"));
  });

  it("with a library that lacks a function: named, with the version that has it", () => {
    expect(() => openLibrary("libc.so.6")).toThrowError(
      expect.objectContaining(failure("XRT_SYMBOL_MISSING", "xrtDeviceOpen", "since version 2.7")),
    );
  });
});

describe("on a card", () => {
  beforeEach(() => {
    machine.addCard(card);
    machine.addRenderNode("renderD128");
  });

  it("an xclbin for another shell: both names and both UUIDs", async () => {
    const parsed = parseXclbin(emulationXclbin(platforms.tiny!));
    const romUuid = Buffer.from(otherShellUuid.replaceAll("-", ""), "hex");
    const file = join(workspace.folder, "other-shell.xclbin");
    writeFileSync(file, writeXclbin({ ...parsed, header: { ...parsed.header, romUuid } }));
    vi.stubEnv("ACCLLM_EMU_FAULT", "load_refused");
    const device = await open();
    expect(() => device.load(file)).toThrowError(
      expect.objectContaining(
        failure(
          "SHELL_MISMATCH",
          `accllm_tiny_emulation \\(${otherShellUuid}\\)`,
          `xilinx_u280_gen3x16_xdma_base_1 \\(${shellUuid}\\)`,
        ),
      ),
    );
    // The same refusal of a file for this very shell has another reason.
    const right = Buffer.from(shellUuid.replaceAll("-", ""), "hex");
    writeFileSync(file, writeXclbin({ ...parsed, header: { ...parsed.header, romUuid: right } }));
    expect(() => device.load(file)).toThrowError(
      expect.objectContaining(failure("XCLBIN_NOT_LOADED", "EINVAL")),
    );
    device.close();
  });

  it("an xclbin while another process has one loaded", async () => {
    vi.stubEnv("ACCLLM_EMU_FAULT", "load_busy");
    const device = await open();
    expect(() => device.load(workspace.xclbin)).toThrowError(
      expect.objectContaining(failure("XCLBIN_BUSY", "in use with another xclbin", "EBUSY")),
    );
    device.close();
  });

  it("an xclbin for emulation on XRT: told from the file", () => {
    const library = { ...openLibrary(libraryPath), emulator: undefined };
    const device = new XrtDevice(library, { index: 0 }, "a card");
    expect(() => device.load(workspace.xclbin)).toThrowError(
      expect.objectContaining(failure("XCLBIN_WRONG_MODE", "for emulation \\(mode sw_emu\\)", "on a card")),
    );
    device.close();
  });

  it("memory errors that ECC cannot correct", async () => {
    vi.stubEnv("ACCLLM_EMU_FAULT", "ecc_error@2");
    const { device, kernel, args } = await session(await open());
    await kernel.run(args);
    await expect(kernel.run(args)).rejects.toMatchObject(failure("ECC_ERROR", "1 error that ECC"));
    device.close();
  });

  it("the driver's counters of such errors are read where the library is XRT", async () => {
    machine.addFile(`sys/bus/pci/devices/${card.bdf}/mig.u.1/ecc_ue_cnt`, "2\n");
    const library = { ...openLibrary(libraryPath), emulator: undefined };
    const found = (await open()).card;
    vi.stubEnv("XCL_EMULATION_MODE", "sw_emu");
    const { device, kernel, args } = await session(new XrtDevice(library, { index: 0 }, "a card", found));
    const run = kernel.run({ ...args, job: 0xfffffffe });
    machine.addFile(`sys/bus/pci/devices/${card.bdf}/mig.u.1/ecc_ue_cnt`, "5\n");
    await expect(run).rejects.toMatchObject(failure("ECC_ERROR", "3 errors that ECC"));
    device.close();
  });

  it("device memory that is out", async () => {
    const { device, kernel } = await session(await open());
    expect(() => kernel.allocate("w0", 256 * 2 ** 20)).toThrowError(
      expect.objectContaining(failure("OUT_OF_DEVICE_MEMORY", "268435456 bytes", "HBM\\[0\\]")),
    );
    device.close();
  });

  it("a card that falls off the bus under a run, and every call after", async () => {
    vi.stubEnv("ACCLLM_EMU_FAULT", "device_lost@2");
    const { device, kernel, args } = await session(await open());
    await kernel.run(args);
    await expect(kernel.run(args)).rejects.toMatchObject(failure("DEVICE_LOST", "does not answer"));
    expect(() => args.io.sync("fromDevice")).toThrowError(expect.objectContaining(failure("DEVICE_LOST")));
    expect(() => kernel.allocate("w0", 64)).toThrowError(expect.objectContaining(failure("DEVICE_LOST")));
    device.close();
  });

  it("a card whose folder in sysfs has gone is lost, whatever errno says", async () => {
    const { device, kernel, args } = await session(await open());
    const run = kernel.run({ ...args, job: 0xfffffffe });
    machine.removeCard(card.bdf);
    await expect(run).rejects.toMatchObject(failure("DEVICE_LOST"));
    device.close();
  });

  it("a run that hangs where nothing can abort it: the device is closed, and the next open works", async () => {
    vi.stubEnv("XCL_EMULATION_MODE", "sw_emu");
    vi.stubEnv("ACCLLM_EMU_FAULT", "run_hangs");
    const library = { ...openLibrary(libraryPath), emulator: undefined };
    const hung = await session(new XrtDevice(library, { index: 0 }, "a card"));
    const run = hung.kernel.run(hung.args, { timeoutMs: 40 });
    await expect(run).rejects.toMatchObject(failure("RUN_TIMEOUT", "within 40 ms", "was closed"));
    expect(hung.device.closed).toBe(true);
    expect(() => hung.device.load(workspace.xclbin)).toThrowError(
      expect.objectContaining(failure("DEVICE_CLOSED")),
    );
    vi.stubEnv("ACCLLM_EMU_FAULT", undefined);
    const next = await session(new XrtDevice(library, { index: 0 }, "a card"));
    await next.kernel.run(next.args);
    next.device.close();
  });

  it("a run that somebody else aborts", async () => {
    const { device, kernel, args } = await session(await open());
    const { emulator, xrt } = device.library;
    const start = vi.spyOn(xrt, "xrtRunStart").mockImplementationOnce((run) => {
      start.mockRestore();
      const result = xrt.xrtRunStart(run);
      setTimeout(() => emulator?.accllmEmuRunAbort(run), 30);
      return result;
    });
    await expect(kernel.run({ ...args, job: 0xffffffff })).rejects.toMatchObject(failure("RUN_ABORTED"));
    await kernel.run(args);
    device.close();
  });
});

it("a fault that does not exist is refused when the device is opened", async () => {
  vi.stubEnv("ACCLLM_EMU_FAULT", "run_hangs@x");
  await expect(openDevice("emulator", { libraryPath })).rejects.toMatchObject({
    code: "DEVICE_NOT_OPENED",
    message: expect.stringContaining("run_hangs@x"),
  });
});
