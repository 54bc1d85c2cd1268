import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cacheFolder, packageRoot } from "../../../../host/config/paths.ts";

describe("paths", () => {
  it("finds the package", () => {
    expect(existsSync(join(packageRoot, "models", "demo", "config.json"))).toBe(true);
  });

  it("caches in build of a checkout, else in the user's cache", () => {
    expect(cacheFolder({}, join("/", "src", "accllm"))).toBe(join("/", "src", "accllm", "build"));
    const installed = join("/", "lib", "node_modules", "accllm");
    expect(cacheFolder({ XDG_CACHE_HOME: join("/", "cache") }, installed)).toBe(join("/", "cache", "accllm"));
    expect(cacheFolder({}, installed)).toBe(join(homedir(), ".cache", "accllm"));
    expect(cacheFolder({ XDG_CACHE_HOME: "" }, installed)).toBe(join(homedir(), ".cache", "accllm"));
  });
});
