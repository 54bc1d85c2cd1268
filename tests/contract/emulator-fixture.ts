import { afterAll, beforeAll } from "vitest";
import { openDevice } from "../../host/device/open.ts";
import type { XrtDevice } from "../../host/device/xrt/device.ts";
import { buildDouble, buildTimeoutMs, makeWorkspace } from "./support.ts";

/** The emulator with the stand-in kernel, for all tests of a file. */
export function useEmulator() {
  let libraryPath: string;
  let workspace: ReturnType<typeof makeWorkspace>;
  beforeAll(() => {
    libraryPath = buildDouble();
    workspace = makeWorkspace();
  }, buildTimeoutMs);
  afterAll(() => workspace.remove());
  return {
    /** Valid within tests and their hooks. */
    get workspace() {
      return workspace;
    },
    open: async () => (await openDevice("emulator", { libraryPath })) as XrtDevice,
  };
}
