import { chmodSync, existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, expect, it, vi } from "vitest";
import { nativeBuild } from "../../../../scripts/setup/native.mjs";
import { projectPaths } from "../../../../scripts/setup/project.mjs";
import { scratch, write } from "../scratch.ts";

/**
 * A cmake that notes what it was asked for. It configures by writing the cache, and builds by writing the library;
 * the files `fail` and `hang` in the checkout make it do that instead.
 */
const cmake = `#!/bin/sh
echo "$*" >> calls
if [ "$1" = "-S" ]; then echo "CMAKE_HOME_DIRECTORY:INTERNAL=$2" > "$4/CMakeCache.txt"; exit 0; fi
if [ -e fail ]; then exit 1; fi
if [ -e hang ]; then touch hanging; sleep 30; fi
echo library > "$2/libaccllm_emu.so"
echo program > "$2/accllm_probe"
`;

let root: string;

beforeEach(() => {
  root = scratch({
    "bin/cmake": cmake,
    "host/emulator/CMakeLists.txt": "project(x)",
    "host/emulator/device.cpp": "int a;",
    "hls/kernels/top.cpp": "int b;",
    calls: "",
  });
  chmodSync(join(root, "bin", "cmake"), 0o755);
  vi.stubEnv("PATH", `${join(root, "bin")}:${process.env.PATH}`);
  return () => vi.unstubAllEnvs();
});

const build = (signal = new AbortController().signal) => {
  const paths = projectPaths(root);
  return nativeBuild.run({ paths, log: join(paths.logs, "native.log"), signal, detail: () => {} });
};
const isCurrent = () => nativeBuild.isCurrent?.({ paths: projectPaths(root) });
const calls = () => readFileSync(join(root, "calls"), "utf8").trim().split("\n");

it("builds once, and again after a source or an output has changed", async () => {
  expect(isCurrent()).toBe(false);
  expect(await build()).toEqual({ reused: false });
  expect(calls()).toHaveLength(2);
  expect(calls()[0]).toContain("-DCMAKE_BUILD_TYPE=Release");
  expect(isCurrent()).toBe(true);
  expect(await build()).toEqual({ reused: true });
  expect(calls()).toHaveLength(2);
  write(root, "hls/kernels/top.cpp", "int c;");
  expect(isCurrent()).toBe(false);
  expect(await build()).toEqual({ reused: false });
  write(root, "build/native/libaccllm_emu.so", "");
  expect(await build()).toEqual({ reused: false });
  rmSync(join(root, "build", "native", "accllm_probe"));
  expect(await build()).toEqual({ reused: false });
  expect(calls().some((call) => call.includes("--clean-first"))).toBe(false);
});

it("trusts nothing after a failed build, even where the sources are put back", async () => {
  await build();
  write(root, "hls/kernels/top.cpp", "int wrong");
  write(root, "fail", "");
  await expect(build()).rejects.toThrow(/failed \(exit code 1\)/);
  write(root, "hls/kernels/top.cpp", "int b;");
  expect(isCurrent()).toBe(false);
});

it("leaves no stamp when interrupted, and builds from clean objects afterwards", async () => {
  write(root, "hang", "");
  const controller = new AbortController();
  const running = build(controller.signal);
  while (!existsSync(join(root, "hanging"))) await sleep(5);
  controller.abort(new Error("stop"));
  await expect(running).rejects.toThrow("stop");
  expect(isCurrent()).toBe(false);
  write(root, "bin/cmake", cmake.replace("-e hang", "-e never"));
  await build();
  expect(calls().at(-1)).toContain("--clean-first");
  expect(isCurrent()).toBe(true);
  write(root, "hls/kernels/top.cpp", "int d;");
  await build();
  expect(calls().at(-1)).not.toContain("--clean-first");
});

it("starts over in a build folder that was made elsewhere", async () => {
  write(root, "build/native/CMakeCache.txt", "CMAKE_HOME_DIRECTORY:INTERNAL=/elsewhere/host/emulator\n");
  write(root, "build/native/old.o", "");
  await build();
  expect(existsSync(join(root, "build", "native", "old.o"))).toBe(false);
});

it("does not call a build done that made no library", async () => {
  write(root, "bin/cmake", cmake.replace(/^echo library.*$/m, ""));
  await expect(build()).rejects.toThrow(/made no libaccllm_emu/);
  expect(isCurrent()).toBe(false);
});
