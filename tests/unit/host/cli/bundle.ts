import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "vite";
import { packageRoot } from "../../../../host/config/paths.ts";
import { sourceFiles } from "../../../../scripts/setup/source-files.mjs";
import { fingerprint } from "../../../../scripts/setup/stamp.mjs";

/**
 * The command line as one file that Node.js runs, made once from the sources as they are and kept under their
 * fingerprint. It lies inside the checkout, so that the program finds its packages and the demo model.
 * @returns its path
 */
export async function bundleProgram(): Promise<string> {
  const inputs = [
    ...sourceFiles(packageRoot, ["host", "quant"], (name) => name.endsWith(".ts")),
    "package.json",
  ];
  const key = fingerprint(packageRoot, inputs).slice(0, 16);
  const scratch = join(packageRoot, "build", "scratch");
  const folder = join(scratch, `program-${key}`);
  const program = join(folder, "main.mjs");
  if (existsSync(program)) return program;
  mkdirSync(scratch, { recursive: true });
  const beside = mkdtempSync(join(scratch, "program-"));
  await build({
    configFile: false,
    logLevel: "silent",
    build: {
      ssr: join(packageRoot, "host", "cli", "main.ts"),
      outDir: beside,
      emptyOutDir: false,
      target: "node20",
      rollupOptions: { output: { entryFileNames: "main.mjs" } },
    },
  });
  try {
    renameSync(beside, folder);
  } catch (error) {
    // Another test was quicker.
    if (!existsSync(program)) throw error;
    rmSync(beside, { recursive: true });
  }
  return program;
}
