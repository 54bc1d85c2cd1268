import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { isOnPath, missingToolsParagraph } from "../../../../scripts/setup/system-tools.mjs";
import { scratch, write } from "../scratch.ts";

it("finds programs that can be run, and only those", () => {
  const folder = scratch({ "bin/program": "", "bin/text": "" });
  chmodSync(join(folder, "bin", "program"), 0o755);
  chmodSync(join(folder, "bin", "text"), 0o644);
  mkdirSync(join(folder, "bin", "folder"));
  const path = `${folder}/absent:${folder}/bin`;
  expect(isOnPath("program", path)).toBe(true);
  expect(isOnPath("text", path)).toBe(false);
  expect(isOnPath("folder", path)).toBe(false);
  expect(isOnPath("other", path)).toBe(false);
  write(folder, "absent/program", "");
  expect(isOnPath("program", `${folder}/absent`)).toBe(false);
});

it("says exactly what to install, in one paragraph", () => {
  const text = missingToolsParagraph(["cmake", "g++"]);
  expect(text).toContain("`sudo apt-get install -y cmake g++`");
  expect(text).toContain("`sudo dnf install cmake gcc-c++`");
  expect(text).not.toContain("\n");
});
