// Checks the layout of all C++ files against .clang-format; `--write` puts it right instead.

import { clangFormatCommand } from "./checks/clang-format.mjs";
import { runAttached } from "./setup/command.mjs";
import { main } from "./setup/main.mjs";
import { checkoutRoot } from "./setup/project.mjs";

await main(async ({ signal, terminal }) => {
  const { command, args, files } = clangFormatCommand(checkoutRoot, process.argv.includes("--write"));
  if (files.length === 0) return 0;
  const code = await runAttached(command, args, { cwd: checkoutRoot, signal });
  if (code !== 0) terminal.line("`npm run format` lays the files out.");
  return code;
});
