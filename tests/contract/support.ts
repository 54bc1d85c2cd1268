import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build as bundle } from "vite";
import { emulationXclbin } from "../../host/device/xclbin/index.ts";
import { platforms } from "../../quant/format/platform.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** For hooks that build: a compiler on a busy machine takes its time. */
export const buildTimeoutMs = 600_000;

function build(name: string, definitions: string): string {
  const folder = join(root, "build", name);
  mkdirSync(folder, { recursive: true });
  const commands =
    `cmake -S '${join(root, "tests/contract/native")}' -B '${folder}' ${definitions} && ` +
    `cmake --build '${folder}' -j2 --target contract`;
  // Two test files may come here at once.
  execFileSync("flock", [join(folder, ".lock"), "sh", "-c", commands], { stdio: "pipe" });
  return folder;
}

/** Builds (or brings up to date) the emulator with the stand-in kernel; returns the library's path. */
export function buildDouble(): string {
  return join(build("contract", "-DCMAKE_BUILD_TYPE=Release"), "libaccllm_emu_double.so");
}

/** The program of native/soak.cpp under AddressSanitizer and UndefinedBehaviorSanitizer. */
export function buildSoak(): string {
  return join(build("contract-sanitized", "-DCMAKE_BUILD_TYPE=Debug -DACCLLM_SANITIZE=ON"), "soak");
}

/** A folder of its own with the emulation xclbin of `tiny` in it. */
export function makeWorkspace(): { folder: string; xclbin: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), "accllm-contract-"));
  const xclbin = join(folder, "tiny.xclbin");
  writeFileSync(xclbin, emulationXclbin(platforms.tiny!));
  return { folder, xclbin, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

const multiarch = "/usr/lib/x86_64-linux-gnu";

/** XRT's own library as Debian installs it (package libxrt1), where it is installed. */
export const xrtLibrary = [join(multiarch, "libxrt_coreutil.so.2")].find((path) => existsSync(path));

/** A folder that serves as XILINX_XRT for Debian's XRT: lib/ with links to the installed libraries. */
export function makeXrtFolder(parent: string): string {
  const folder = join(parent, "xrt");
  mkdirSync(join(folder, "lib"), { recursive: true });
  for (const name of ["libxrt_core.so.2", "libxrt_noop.so.2", "libxrt_coreutil.so.2"]) {
    symlinkSync(join(multiarch, name), join(folder, "lib", name));
  }
  return folder;
}

/** Bundles exit-scenario.ts for plain Node.js, as the tests run it in processes of their own. */
export async function bundleScenario(outDir: string): Promise<void> {
  await bundle({
    configFile: false,
    logLevel: "error",
    build: {
      ssr: join(root, "tests/contract/exit-scenario.ts"),
      outDir,
      emptyOutDir: true,
      target: "node20",
    },
  });
}
