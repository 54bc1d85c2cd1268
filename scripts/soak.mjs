// 100,000 runs of the emulator with random faults, through the host's binding (tests/contract/soak-scenario.ts); the
// tests do 5,000. `node scripts/soak.mjs [RUNS]`
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { checkoutRoot } from "./setup/project.mjs";

const vitest = join(checkoutRoot, "node_modules", "vitest", "vitest.mjs");
const { status } = spawnSync(process.execPath, [vitest, "run", "tests/contract/soak.test.ts"], {
  cwd: checkoutRoot,
  env: { ...process.env, ACCLLM_SOAK_RUNS: process.argv[2] ?? "100000" },
  stdio: "inherit",
});
process.exitCode = status ?? 1;
