// Checks the layout of all C++ files against .clang-format; `--write` puts it right instead.

import { clangFormatCommand } from "./checks/clang-format.mjs";
import { runAttached } from "./setup/command.mjs";
import { main } from "./setup/main.mjs";
import { checkoutRoot } from "./setup/project.mjs";

await main(async ({ signal, terminal }) => {
  const options = process.argv.slice(2);
  const unknown = options.find((option) => option !== "--write");
  if (unknown !== undefined) {
    terminal.line(`Unknown option ${unknown}; the only one is --write.`);
    return 2;
  }
  const { command, args, files } = clangFormatCommand(checkoutRoot, options.length > 0);
  if (files.length === 0) return 0;
  const code = await runAttached(command, args, { cwd: checkoutRoot, signal });
  if (code !== 0) terminal.line("`npm run format` lays the files out.");
  return code;
});
