import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  buildDouble,
  buildTimeoutMs,
  bundleScenario,
  makeWorkspace,
  makeXrtFolder,
  xrtLibrary,
} from "./support.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const outDir = join(root, "build", "contract-exit");

/** Programs that leave everything open: XRT's destructors crash on that, unless it is closed at exit. */
describe("a process that ends with a device open", () => {
  let workspace: ReturnType<typeof makeWorkspace>;
  let library: string;
  beforeAll(async () => {
    workspace = makeWorkspace();
    library = buildDouble();
    await bundleScenario(outDir);
  }, buildTimeoutMs);
  afterAll(() => workspace.remove());

  function end(device: string, how: string, environment: NodeJS.ProcessEnv, libraryPath?: string) {
    const script = join(outDir, "exit-scenario.js");
    const last = libraryPath === undefined ? [] : [libraryPath];
    return spawnSync(process.execPath, [script, device, workspace.xclbin, how, ...last], {
      env: { ...process.env, ...environment },
      encoding: "utf8",
      timeout: 30_000,
    });
  }

  it.each([
    ["of its own accord", "", 0],
    ["by process.exit", "exit", 7],
    ["by an uncaught error", "throw", 1],
    ["while a kernel runs", "running", 7],
  ])("emulator: ends %s", (_name, how, status) => {
    const ended = end("emulator", how, {}, library);
    expect({ status: ended.status, signal: ended.signal }).toEqual({ status, signal: null });
  });

  it.skipIf(xrtLibrary === undefined).each([
    ["of its own accord", "", 0],
    ["by process.exit", "exit", 7],
    ["by an uncaught error", "throw", 1],
  ])("XRT in noop mode (needs libxrt1): ends %s", (_name, how, status) => {
    const XILINX_XRT = makeXrtFolder(join(workspace.folder, how || "end"));
    const ended = end("xrt:0", how, { XCL_EMULATION_MODE: "noop", XILINX_XRT });
    expect({ status: ended.status, signal: ended.signal }).toEqual({ status, signal: null });
  });
});
