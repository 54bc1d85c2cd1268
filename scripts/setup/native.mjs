import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { runQuietly } from "./command.mjs";
import { SetupFailure } from "./failure.mjs";
import { sourceFiles } from "./source-files.mjs";
import { fingerprint, Stamp } from "./stamp.mjs";

const emulator = "libaccllm_emu.so";
/** Folders with C++ that the emulator is built from. */
const nativeFolders = ["hls", "host/emulator", "quant/native"];
const isNativeSource = /(\.(c|cc|cpp|h|hpp|inl|in|cmake|map|def)|CMakeLists\.txt)$/;

/**
 * CMake build of the emulator (host/emulator over the kernel sources of hls/) into build/native.
 * @type {import("./set-up.mjs").Step}
 */
export const nativeBuild = {
  name: "native build",
  isCurrent: ({ paths }) => stampOf(paths).current(inputsOf(paths.root)) !== undefined,
  async run({ paths, log, signal, detail }) {
    const stamp = stampOf(paths);
    const inputs = inputsOf(paths.root);
    if (stamp.current(inputs)) return { reused: true };
    stamp.clear();
    forgetMovedTree(paths);
    mkdirSync(paths.native, { recursive: true });
    const common = { cwd: paths.root, log, signal };
    const source = join(paths.root, "host", "emulator");
    try {
      await runQuietly("cmake", ["-S", source, "-B", paths.native, "-DCMAKE_BUILD_TYPE=Release"], {
        ...common,
        what: "Configuring the native build (cmake)",
      });
    } catch (error) {
      // CMake's cache would hold on to a compiler that has been mended or replaced since.
      rmSync(paths.native, { recursive: true, force: true });
      throw error;
    }
    // A compiler that was killed may leave half an object file with a new date, which make would trust.
    const unfinished = join(paths.native, ".unfinished");
    const clean = existsSync(unfinished) ? ["--clean-first"] : [];
    writeFileSync(unfinished, "");
    try {
      await runQuietly("cmake", ["--build", paths.native, "-j", String(availableParallelism()), ...clean], {
        ...common,
        what: "The native build (cmake --build)",
        onLine: (line) => detail(/^\[ *\d+%\]/.exec(line)?.[0] ?? ""),
      });
    } finally {
      if (!signal.aborted) rmSync(unfinished, { force: true });
    }
    const outputs = readdirSync(paths.native).filter((name) => /^(lib.*\.so|accllm_\w+)$/.test(name));
    if (!outputs.includes(emulator))
      throw new SetupFailure(`The native build made no ${emulator} in ${paths.native}.`);
    stamp.write(
      inputs,
      outputs.map((name) => join(paths.native, name)),
    );
    return { reused: false };
  },
};

/** @param {import("./project.mjs").ProjectPaths} paths */
function stampOf(paths) {
  return new Stamp(join(paths.stamps, "native.json"));
}

/** @param {string} root */
function inputsOf(root) {
  const files = sourceFiles(root, nativeFolders, (path) => isNativeSource.test(path));
  const { CXX, CXXFLAGS, CMAKE_GENERATOR } = process.env;
  return fingerprint(root, files, { root, arch: process.arch, CXX, CXXFLAGS, CMAKE_GENERATOR });
}

/**
 * CMake refuses a build folder whose sources were elsewhere, as in a checkout that was moved or copied.
 * @param {import("./project.mjs").ProjectPaths} paths
 */
function forgetMovedTree(paths) {
  const cache = join(paths.native, "CMakeCache.txt");
  if (!existsSync(cache)) return;
  const home = /^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$/m.exec(readFileSync(cache, "utf8"))?.[1];
  if (home !== join(paths.root, "host", "emulator")) rmSync(paths.native, { recursive: true, force: true });
}
