import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, truncateSync } from "node:fs";
import { dirname, join } from "node:path";
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
const outDir = join(root, "build", "contract-crash");

/** A library that ends the process under a running stream: told in one paragraph, with the exit code of a device. */
describe("a library that ends under a running stream", () => {
  let workspace: ReturnType<typeof makeWorkspace>;
  let library: string;
  beforeAll(async () => {
    workspace = makeWorkspace();
    library = buildDouble();
    await bundleScenario(outDir);
  }, buildTimeoutMs);
  afterAll(() => workspace.remove());

  async function stream(
    args: readonly string[],
    environment: NodeJS.ProcessEnv,
    onStreaming: () => void = () => {},
  ) {
    const child = spawn(process.execPath, [join(outDir, "exit-scenario.js"), ...args], {
      env: { ...process.env, ACCLLM_NATIVE_DIR: join(dirname(library), "emulator"), ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk) => (stdout += chunk));
    child.stderr.on("data", (chunk) => {
      if (stderr === "") setTimeout(onStreaming, 50);
      stderr += chunk;
    });
    const [status, signal] = await new Promise<[number | null, string | null]>((resolve) =>
      child.on("close", (...how) => resolve(how)),
    );
    return { status, signal, stdout, stderr };
  }

  const paragraph = (library: string) =>
    new RegExp(
      `^streaming\nerror: The device's library ended unexpectedly: ${library}\\. [^\n]*xbutil reset[^\n]*\n$`,
    );

  it("the emulator ends by an exception of its own", async () => {
    const ended = await stream(["emulator", workspace.xclbin, "stream", library], {
      ACCLLM_EMU_FAULT: "crash@50",
    });
    expect(ended).toMatchObject({ status: 4, signal: null, stdout: "" });
    // The C++ library has its own say first.
    expect(ended.stderr.replace(/terminate called[^\n]*\n/, "")).toMatch(
      paragraph("libaccllm_emu_double.so \\(SIGABRT\\)"),
    );
  });

  it("as JSON it is one object on stdout", async () => {
    const ended = await stream(["emulator", workspace.xclbin, "stream-json", library], {
      ACCLLM_EMU_FAULT: "crash@2",
    });
    expect(ended).toMatchObject({ status: 4, signal: null });
    expect(JSON.parse(ended.stdout)).toMatchObject({
      error: { code: "LIBRARY_CRASHED", message: expect.stringContaining("SIGABRT") },
    });
  });

  it("without being asked to, nothing is done about a crash: it is the program's own", async () => {
    const ended = await stream(["emulator", workspace.xclbin, "", library], {
      ACCLLM_EMU_FAULT: "crash@1",
    });
    expect(ended).toMatchObject({ status: null, signal: "SIGABRT" });
  });

  it("several of its threads fail at a time, and one of them tells", () => {
    const folder = dirname(library);
    const guard = join(folder, "emulator", "libaccllm_guard.so");
    for (let run = 0; run < 60; run++) {
      const ended = spawnSync(join(folder, "crash_together"), [guard], { encoding: "utf8" });
      expect([ended.status, ended.signal]).toEqual([4, null]);
      expect(ended.stderr).toMatch(/^ended: (libaccllm_emu_crash\.so|of the device) \(SIGILL\)\.\n$/);
    }
  });

  it("the emulator's file is cut off under the process", async () => {
    const copy = join(workspace.folder, "libaccllm_emu_copy.so");
    copyFileSync(library, copy);
    const ended = await stream(["emulator", workspace.xclbin, "stream", copy], {}, () =>
      truncateSync(copy, 0),
    );
    expect(ended).toMatchObject({ status: 4, signal: null });
    expect(ended.stderr).toMatch(paragraph("(libaccllm_emu_copy\\.so|of the device) \\(SIG\\w+\\)"));
  });

  it.skipIf(xrtLibrary === undefined)(
    "XRT's files are cut off under the process (needs libxrt1)",
    async () => {
      const XILINX_XRT = makeXrtFolder(workspace.folder);
      const copies = join(workspace.folder, "copies");
      mkdirSync(copies);
      const copy = join(copies, "libxrt_coreutil.so.2");
      copyFileSync(xrtLibrary!, copy);
      const ended = await stream(
        ["xrt:0", workspace.xclbin, "stream", copy],
        { XILINX_XRT, XCL_EMULATION_MODE: "noop" },
        () => truncateSync(copy, 0),
      );
      expect(ended).toMatchObject({ status: 4, signal: null });
      expect(ended.stderr).toMatch(paragraph("(libxrt_coreutil\\.so\\.2|of the device) \\(SIG\\w+\\)"));
    },
  );
});
