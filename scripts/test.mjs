// `npm test`: the set-up, then format, lint, type check and tests. Arguments after `--` go to vitest.
import { requireNode } from "./setup/node-version.mjs";

requireNode();
const [{ main }, { setUp }, { checkoutRoot }, { runStages, stageTable, testStages }] = await Promise.all([
  import("./setup/main.mjs"),
  import("./setup/set-up.mjs"),
  import("./setup/project.mjs"),
  import("./checks/stages.mjs"),
]);
await main(async ({ signal, terminal }) => {
  const paths = await setUp({ root: checkoutRoot, signal, terminal, forTests: true });
  const stages = testStages(checkoutRoot, process.argv.slice(2));
  const results = await runStages(stages, { paths, signal, terminal });
  terminal.line();
  for (const line of stageTable(results)) terminal.line(line);
  return results.every(({ result }) => result === "passed") ? 0 : 1;
});
