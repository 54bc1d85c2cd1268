import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { cacheFolder, packageRoot, writableCache } from "../../../../host/config/paths.ts";

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

describe("a cache that can be written", () => {
  const folder = mkdtempSync(join(tmpdir(), "accllm-paths-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const own = join(folder, `accllm-${process.getuid!()}`);

  it("is the cache, also where that has to be made", () => {
    const cache = join(folder, "a", "b");
    expect(writableCache({}, { cache, temporary: folder })).toBe(cache);
  });

  it("is this user's own among the temporary files where the cache cannot be made", () => {
    writeFileSync(join(folder, "file"), "");
    expect(writableCache({}, { cache: join(folder, "file", "cache"), temporary: folder })).toBe(own);
  });

  it("is a new one where something else has that name", () => {
    symlinkSync("/", own);
    const made = writableCache({}, { cache: join(folder, "file"), temporary: folder });
    expect(made.startsWith(`${own}-`)).toBe(true);
    expect(existsSync(made)).toBe(true);
  });
});
