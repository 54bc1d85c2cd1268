import { afterAll, beforeAll, describe } from "vitest";
import { openDevice } from "../../host/device/open.ts";
import type { XrtDevice } from "../../host/device/xrt/device.ts";
import { bindingContract } from "./binding-suite.ts";
import { deviceContract } from "./suite.ts";
import { makeWorkspace, makeXrtFolder, xrtLibrary } from "./support.ts";

/**
 * The suite against XRT's own library in noop mode: it parses the xclbin, finds kernels, argument groups and
 * connectivity, and completes runs without executing anything. This file has a process of its own.
 */
describe.skipIf(xrtLibrary === undefined)(
  "device contract: XRT in noop mode (needs Debian's libxrt1)",
  () => {
    let workspace: ReturnType<typeof makeWorkspace>;
    beforeAll(() => {
      workspace = makeWorkspace();
      // XRT reads both when it is loaded.
      process.env.XCL_EMULATION_MODE = "noop";
      process.env.XILINX_XRT = makeXrtFolder(workspace.folder);
    });
    afterAll(() => workspace.remove());

    bindingContract({
      open: async () => {
        const device = (await openDevice("xrt:0")) as XrtDevice;
        device.load(workspace.xclbin);
        return device;
      },
      bdf: undefined,
      moves: false,
    });
    deviceContract({ open: () => openDevice("xrt:0"), xclbin: () => workspace.xclbin, executes: false });
  },
);
