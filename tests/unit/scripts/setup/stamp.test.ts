import { rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { sourceFiles } from "../../../../scripts/setup/source-files.mjs";
import { fingerprint, Stamp } from "../../../../scripts/setup/stamp.mjs";
import { scratch, write } from "../scratch.ts";

it("depends on content, names and facts, not on times", () => {
  const folder = scratch({ "a.txt": "one", "b.txt": "two" });
  const before = fingerprint(folder, ["a.txt", "b.txt"], { root: "x" });
  utimesSync(join(folder, "a.txt"), 1, 1);
  expect(fingerprint(folder, ["a.txt", "b.txt"], { root: "x" })).toBe(before);
  expect(fingerprint(folder, ["a.txt"], { root: "x" })).not.toBe(before);
  expect(fingerprint(folder, ["a.txt", "b.txt"], { root: "y" })).not.toBe(before);
  write(folder, "a.txt", "onetwo");
  write(folder, "b.txt", "");
  expect(fingerprint(folder, ["a.txt", "b.txt"], { root: "x" })).not.toBe(before);
});

it("holds only while inputs and outputs are the same", () => {
  const folder = scratch({ out: "12345" });
  const stamp = new Stamp<{ bytes: number }>(join(folder, "stamps", "step.json"));
  expect(stamp.current("in")).toBeUndefined();
  stamp.write("in", [join(folder, "out")], { bytes: 5 });
  expect(stamp.current("in")).toEqual({ result: { bytes: 5 } });
  expect(stamp.current("other")).toBeUndefined();
  write(folder, "out", "1234");
  expect(stamp.current("in")).toBeUndefined();
  write(folder, "out", "abcde");
  expect(stamp.current("in")).toBeDefined();
  rmSync(join(folder, "out"));
  expect(stamp.current("in")).toBeUndefined();
});

it("takes a damaged or cleared stamp for none", () => {
  const folder = scratch();
  const stamp = new Stamp(join(folder, "step.json"));
  stamp.write("in", []);
  expect(stamp.current("in")).toBeDefined();
  writeFileSync(stamp.file, '{"inputs":"in"');
  expect(stamp.current("in")).toBeUndefined();
  stamp.write("in", []);
  stamp.clear();
  expect(stamp.current("in")).toBeUndefined();
});

it("lists sources sorted, without what was built, installed or is absent", () => {
  const folder = scratch({
    "host/z.ts": "",
    "host/a/b.ts": "",
    "host/a/b.js": "",
    "host/node_modules/x.ts": "",
    "host/dist/x.ts": "",
    "quant/c.ts": "",
  });
  const found = sourceFiles(folder, ["quant", "host", "hls"], (path) => path.endsWith(".ts"));
  expect(found).toEqual(["host/a/b.ts", "host/z.ts", "quant/c.ts"]);
});
