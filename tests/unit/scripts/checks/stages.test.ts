import { join } from "node:path";
import { expect, it } from "vitest";
import { clangFormatCommand } from "../../../../scripts/checks/clang-format.mjs";
import { runStages, stageTable } from "../../../../scripts/checks/stages.mjs";
import { projectPaths } from "../../../../scripts/setup/project.mjs";
import { Terminal } from "../../../../scripts/setup/terminal.mjs";
import { scratch } from "../scratch.ts";

function context(root: string) {
  const lines: string[] = [];
  const terminal = new Terminal({ write: (text: string) => lines.push(text) }, {});
  return { lines, paths: projectPaths(root), signal: new AbortController().signal, terminal };
}

const good = (name: string) => ({ name, command: "true", args: [] });
const bad = (name: string) => ({ name, command: "sh", args: ["-c", "echo why; exit 1"], hint: "Mend it." });

it("runs every cheap stage after a failure, and not the long one", async () => {
  const run = context(scratch());
  const results = await runStages([bad("lint"), good("types"), { ...good("tests"), attached: true }], run);
  expect(results.map(({ name, result }) => [name, result])).toEqual([
    ["lint", "failed"],
    ["types", "passed"],
    ["tests", "not run"],
  ]);
  const text = run.lines.join("");
  expect(text).toContain("  why\n");
  expect(text).toContain("Mend it.");
});

it("reports an attached stage's exit code", async () => {
  const results = await runStages(
    [
      { ...good("one"), attached: true },
      { ...bad("two"), command: "false", args: [], attached: true },
    ],
    context(scratch()),
  );
  expect(results.map(({ result }) => result)).toEqual(["passed", "failed"]);
});

it("lays the table out in columns", () => {
  const rows = stageTable([
    { name: "lint", result: "passed", ms: 1234 },
    { name: "longer name", result: "not run", ms: 0 },
  ]);
  expect(rows).toEqual([
    "stage        result   seconds",
    "lint         passed       1.2",
    "longer name  not run      0.0",
  ]);
});

it("hands clang-format the C++ files and nothing else", () => {
  const root = scratch({
    "hls/kernels/top.cpp": "",
    "host/emulator/xrt.hpp": "",
    "host/emulator/CMakeLists.txt": "",
    "host/cli/main.ts": "",
    "build/native/x.cpp": "",
  });
  const check = clangFormatCommand(root, false);
  expect(check.files).toEqual(["hls/kernels/top.cpp", "host/emulator/xrt.hpp"]);
  expect(check.args).toContain("--Werror");
  const write = clangFormatCommand(root, true);
  expect(write.args).toContain("-i");
  expect(write.args[0]).toBe(join(root, "node_modules", "clang-format", "index.js"));
});
