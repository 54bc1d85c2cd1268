import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { runQuietly } from "./command.mjs";
import { sourceFiles } from "./source-files.mjs";
import { fingerprint, Stamp } from "./stamp.mjs";

/**
 * Compiles host/ and quant/ to dist/. The compiler writes beside, and the folders are exchanged at the end, so
 * that dist/ is never half-written and keeps no file whose source is gone.
 * @type {import("./set-up.mjs").Step}
 */
export const typescriptBuild = {
  name: "TypeScript build",
  async run({ paths, log, signal }) {
    const sources = sourceFiles(paths.root, ["host", "quant"], (path) => path.endsWith(".ts"));
    const settings = ["tsconfig.json", "tsconfig.build.json", "package.json", "package-lock.json"];
    const inputs = fingerprint(paths.root, [...settings, ...sources]);
    const stamp = new Stamp(join(paths.stamps, "typescript.json"));
    if (stamp.current(inputs)) return { reused: true };
    stamp.clear();
    const partial = `${paths.dist}.partial`;
    rmSync(partial, { recursive: true, force: true });
    const compiler = join(paths.nodeModules, "typescript", "bin", "tsc");
    try {
      await runQuietly(process.execPath, [compiler, "-p", "tsconfig.build.json", "--outDir", partial], {
        cwd: paths.root,
        log,
        signal,
        what: "The TypeScript build (tsc)",
      });
      rmSync(paths.dist, { recursive: true, force: true });
      renameSync(partial, paths.dist);
    } finally {
      rmSync(partial, { recursive: true, force: true });
    }
    const outputs = sources
      .filter((path) => !path.endsWith(".d.ts"))
      .map((path) => join(paths.dist, path.replace(/\.ts$/, ".js")))
      .filter((path) => existsSync(path));
    stamp.write(inputs, outputs);
    return { reused: false };
  },
};
