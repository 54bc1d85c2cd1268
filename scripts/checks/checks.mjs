import { main } from "../setup/main.mjs";
import { checkoutRoot } from "../setup/project.mjs";
import { setUp } from "../setup/set-up.mjs";
import { runStages, stageTable, testStages } from "./stages.mjs";

await main(async ({ signal, terminal }) => {
  const paths = await setUp({ root: checkoutRoot, signal, terminal, forTests: true });
  const stages = testStages(checkoutRoot, process.argv.slice(2));
  const results = await runStages(stages, { paths, signal, terminal });
  terminal.line();
  for (const line of stageTable(results)) terminal.line(line);
  return results.every(({ result }) => result === "passed") ? 0 : 1;
});
