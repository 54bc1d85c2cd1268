import { rmSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { dependenciesAreCurrent } from "../../../../scripts/setup/dependencies.mjs";
import { scratch, write } from "../scratch.ts";

const locked = {
  "": { version: "0.1.0" },
  "node_modules/zod": { version: "4.0.0", integrity: "sha512-a" },
  "node_modules/@esbuild/other-cpu": { version: "1.0.0", integrity: "sha512-b", optional: true },
};
const { "": _self, "node_modules/@esbuild/other-cpu": _absent, ...installed } = locked;

function checkout(there: object): string {
  return scratch({
    "package-lock.json": JSON.stringify({ packages: locked }),
    "node_modules/.package-lock.json": JSON.stringify({ packages: there }),
    "node_modules/zod/package.json": "{}",
  });
}

it("takes an installation that lacks only packages for other platforms", () => {
  expect(dependenciesAreCurrent(checkout(installed))).toBe(true);
});

it.each([
  ["another version", { "node_modules/zod": { version: "4.0.1", integrity: "sha512-a" } }],
  ["other content", { "node_modules/zod": { version: "4.0.0", integrity: "sha512-x" } }],
  ["a missing package", {}],
])("wants npm ci after %s", (_, there) => {
  expect(dependenciesAreCurrent(checkout(there))).toBe(false);
});

it("wants npm ci in a fresh clone, after an interrupted install and after a deleted package", () => {
  const root = checkout(installed);
  rmSync(join(root, "node_modules", "zod"), { recursive: true });
  expect(dependenciesAreCurrent(root)).toBe(false);
  write(root, "node_modules/zod/package.json", "{}");
  rmSync(join(root, "node_modules", ".package-lock.json"));
  expect(dependenciesAreCurrent(root)).toBe(false);
  rmSync(join(root, "node_modules"), { recursive: true });
  expect(dependenciesAreCurrent(root)).toBe(false);
});
