import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildDouble, buildTimeoutMs, makeWorkspace, makeXrtFolder, xrtLibrary } from "./support.ts";

const headers = "/usr/include/xrt";
const available = existsSync(join(headers, "xrt/xrt_device.h")) && xrtLibrary !== undefined;
const sources = fileURLToPath(new URL("./native", import.meta.url));
const emulatorSources = fileURLToPath(new URL("../../host/emulator", import.meta.url));

describe.skipIf(!available)(
  "a C program against XRT's headers (needs Debian's libxrt-dev and libxrt1)",
  () => {
    let workspace: ReturnType<typeof makeWorkspace>;
    let library: string;
    let xrtFolder: string;
    beforeAll(() => {
      library = buildDouble();
      workspace = makeWorkspace();
      xrtFolder = makeXrtFolder(workspace.folder);
    }, buildTimeoutMs);
    afterAll(() => workspace.remove());

    function compile(name: string, libraryPath: string): string {
      const program = join(workspace.folder, name);
      const flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-I", headers];
      const link = [libraryPath, `-Wl,-rpath,${dirname(libraryPath)}`];
      execFileSync("cc", [...flags, join(sources, "program.c"), "-o", program, ...link], { stdio: "pipe" });
      return program;
    }

    function output(program: string, environment: NodeJS.ProcessEnv): string {
      return execFileSync(program, [workspace.xclbin], {
        env: { ...process.env, ...environment },
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      });
    }

    it("prints the same on XRT in noop mode and on the emulator", () => {
      const onXrt = output(compile("on-xrt", xrtLibrary!), {
        XCL_EMULATION_MODE: "noop",
        XILINX_XRT: xrtFolder,
      });
      const onEmulator = output(compile("on-emulator", library), {});
      expect(onEmulator).toBe(onXrt);
      // Both could print nothing.
      expect(onXrt).toContain("write 0, seen in the map 1");
      expect(onXrt).toContain("start 0, wait 4, state 4");
      expect(onXrt).toContain("close device 0, again -1");
    });

    it("the emulator's declarations agree with XRT's", () => {
      const flags = ["-std=c++17", "-fsyntax-only", "-I", headers, "-I", emulatorSources];
      execFileSync("c++", [...flags, join(sources, "signatures.cpp")], { stdio: "pipe" });
    });

    it("every function that the binding declares is exported by both", () => {
      const symbols = (path: string) =>
        new Set(
          execFileSync("nm", ["-D", "--defined-only", path], { encoding: "utf8" })
            .split("\n")
            .map((line) => line.split(" ").at(-1)),
        );
      const declared = execFileSync(
        "grep",
        ["-ohE", "xrt[A-Z][A-Za-z]+\\(", join(emulatorSources, "accllm_xrt.h")],
        {
          encoding: "utf8",
        },
      );
      const names = [...new Set(declared.split("\n").filter(Boolean))].map((name) => name.slice(0, -1));
      expect(names.length).toBeGreaterThan(30);
      const real = symbols(xrtLibrary!);
      const ours = symbols(library);
      for (const name of names) {
        expect(real, name).toContain(name);
        expect(ours, name).toContain(name);
      }
    });
  },
);
