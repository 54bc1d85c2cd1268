import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { isGoverned, violations } from "../../scripts/checks/repository-rules.mjs";
import { sourceFiles } from "../../scripts/setup/source-files.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));

// This page is governed too, so what breaks a rule is put together here and never written out.
const joined = (...parts: string[]) => parts.join("");
const importing = (target: string) => joined("import x from ", JSON.stringify(target), ";");

it("holds for every file of the repository", () => {
  const files = sourceFiles(root, [""], isGoverned);
  expect(files).toContain("tests/unit/repository.test.ts");
  expect(files.length).toBeGreaterThan(30);
  const found = files.flatMap((path) =>
    violations(path, readFileSync(`${root}/${path}`, "utf8")).map((what) => `${path}: ${what}`),
  );
  expect(found).toEqual([]);
});

describe("each rule can be broken", () => {
  it.each([
    ["koffi elsewhere", "host/engine/a.ts", importing("koffi")],
    ["koffi loaded late", "host/engine/a.ts", joined("await import(", '"koffi")')],
    ["koffi required", "host/engine/a.mjs", joined("require(", "'koffi')")],
    ["engine importing the command line", "host/engine/a.ts", importing("../cli/render/progress.ts")],
    ["format importing the host", "quant/format/a.ts", importing("../../host/device/device.ts")],
    ["format importing the readers", "quant/format/a.ts", importing("../io/checkpoint.ts")],
    ["a path of this machine", "docs/a.md", joined("see /", "work/main/x")],
    ["somebody's home", "scripts/a.mjs", joined('"/', 'home/ann/x"')],
    ["a skipped test", "tests/unit/a.test.ts", joined("it", ".skip('a', () => {});")],
    ["a lone test", "tests/unit/a.test.ts", joined("describe", ".only('a', () => {});")],
    ["a cast to anything", "host/a.ts", joined("const a = b as", " any;")],
    ["an ignored type error", "host/a.ts", joined("// @ts-", "ignore")],
    ["a note for later", "hls/kernels/a.cpp", joined("// TO", "DO: all of it")],
    ["a long file", "host/a.ts", "\n".repeat(301)],
  ])("%s", (_, path, content) => {
    expect(violations(path, content)).toHaveLength(1);
  });

  it.each([
    ["koffi in its binding", "host/device/xrt/binding.ts", importing("koffi")],
    ["the command line within itself", "host/cli/main.ts", importing("./commands/run.ts")],
    ["format throwing the common errors", "quant/format/a.ts", importing("../../host/errors.ts")],
    ["format within quant", "quant/format/a.ts", importing("./command.ts")],
    ["the optional fixtures", "tests/unit/a.test.ts", '"../shared/data"'],
    ["a test that needs a fixture", "tests/unit/a.test.ts", "describe.skipIf(absent)('a', () => {});"],
    ["a web address", "docs/a.md", "https://example.org/work/x and host/work/y"],
    ["300 lines", "host/a.ts", "\n".repeat(300)],
    ["a long generated file", "hls/include/accllm/generated/format.hpp", "\n".repeat(301)],
  ])("but not by %s", (_, path, content) => {
    expect(violations(path, content)).toEqual([]);
  });
});

it("locks the packages of every platform, without which npm ci refuses the lock file", () => {
  const lock: { packages: Record<string, { optionalDependencies?: Record<string, string> }> } = JSON.parse(
    readFileSync(`${root}/package-lock.json`, "utf8"),
  );
  const wanted = Object.values(lock.packages).flatMap((one) => Object.keys(one.optionalDependencies ?? {}));
  expect(wanted.length).toBeGreaterThan(0);
  expect(wanted.filter((name) => lock.packages[`node_modules/${name}`] === undefined)).toEqual([]);
});
