import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "accllm-recipe-"));
afterAll(() => rmSync(folder, { recursive: true }));

const built = existsSync(join(root, "dist", "host", "cli", "main.js"));
/** The recipe installs the package's dependencies. */
const registry = await fetch("https://registry.npmjs.org/koffi", {
  method: "HEAD",
  signal: AbortSignal.timeout(5_000),
}).then(
  ({ ok }) => ok,
  () => npmHas(),
);

/** Behind a mirror the registry has another address; npm knows it. */
function npmHas(): boolean {
  try {
    execFileSync("npm", ["view", "koffi@3.3.4", "version"], { stdio: "pipe", timeout: 20_000 });
    return true;
  } catch {
    return false;
  }
}

/** docs/ci, as a project without a checkout of this one runs it: from a tarball, in an empty folder. */
describe.skipIf(!built || !registry)("the recipe of docs/ci.md (needs dist/ and the npm registry)", () => {
  it("installs the package, quantizes, verifies, and runs a project's own tests", () => {
    const packed = join(folder, "packed");
    const project = join(folder, "project");
    mkdirSync(packed);
    cpSync(join(root, "docs", "ci"), project, { recursive: true });
    execFileSync("npm", ["pack", "--ignore-scripts", "--pack-destination", packed], {
      cwd: root,
      stdio: "pipe",
    });
    const [tarball = ""] = readdirSync(packed);
    const { ACCLLM_NATIVE_DIR: _native, ...environment } = process.env;
    const output = execFileSync("sh", ["-c", "sh recipe.sh 2>&1"], {
      cwd: project,
      encoding: "utf8",
      env: {
        ...environment,
        ACCLLM_PACKAGE: join(packed, tarball),
        XDG_CACHE_HOME: join(folder, "cache"),
        npm_config_prefer_offline: "true",
      },
    });
    expect(output.match(/^Building the native libraries for the first use.*$/gm)).toHaveLength(1);
    expect(output).toMatch(/^\d+ cases, 0 mismatches$/m);
    expect(output).toMatch(/^# pass 2$/m);
    expect(output.match(/^ok {3}/gm)).toHaveLength(11);
    expect(output).not.toContain("FAIL");
  }, 900_000);
});
