import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { isCheckout, packageRoot } from "../config/paths.ts";
import { ToolchainError } from "../errors.ts";
import { loadExeca } from "./execa.ts";
import { emulatorLibraryPath, nativeFolder } from "./native.ts";

/** What a build is told to the user by; one line. */
export type Notice = (line: string) => void;

const toStderr: Notice = (line) => void process.stderr.write(`${line}\n`);

/** A build under way in this process. */
let building: Promise<void> | undefined;

/**
 * Builds the native libraries where an installed package has none yet, because npm may have been told to run no install
 * scripts. In a checkout `npm run build` makes them, and with ACCLLM_NATIVE_DIR whoever set it; then nothing is done.
 * @throws ToolchainError NATIVE_BUILD_FAILED where cmake or the compiler is missing or fails.
 */
export async function ensureNative(notice: Notice = toStderr): Promise<void> {
  if (isCheckout() || process.env.ACCLLM_NATIVE_DIR || existsSync(emulatorLibraryPath())) return;
  building ??= build(nativeFolder(), notice);
  try {
    await building;
  } finally {
    building = undefined;
  }
}

/** Builds beside and renames, so that another process never sees half a build. */
async function build(folder: string, notice: Notice): Promise<void> {
  notice(`Building the native libraries for the first use, into ${folder} (about a minute) ...`);
  const partial = `${folder}.${process.pid}.partial`;
  await mkdir(dirname(folder), { recursive: true });
  const source = join(packageRoot, "host", "emulator");
  try {
    await run("cmake", ["-S", source, "-B", partial, "-DCMAKE_BUILD_TYPE=Release"]);
    await run("cmake", ["--build", partial, "-j", String(availableParallelism())]);
    await rename(partial, folder).catch((error: NodeJS.ErrnoException) => {
      // Another process was quicker; its build is as good.
      if (!existsSync(emulatorLibraryPath())) throw error;
    });
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

async function run(command: string, args: readonly string[]): Promise<void> {
  const execa = await loadExeca();
  const result = await execa(command, [...args], { reject: false, all: true, stdin: "ignore" });
  if (!result.failed) return;
  const lines = (result.all ?? "").split("\n").filter((line) => line.trim() !== "");
  const said = lines.find((line) => /error/i.test(line)) ?? lines.at(-1) ?? result.shortMessage;
  throw new ToolchainError("NATIVE_BUILD_FAILED", `The native libraries cannot be built: ${said?.trim()}`, {
    hint: "Install cmake 3.16 or newer, make and a C++17 compiler (`apt-get install cmake g++`), then try again.",
  });
}
