// `npm run build`: the set-up alone.
import { requireNode } from "./setup/node-version.mjs";

requireNode();
const [{ main }, { setUp }, { checkoutRoot }] = await Promise.all([
  import("./setup/main.mjs"),
  import("./setup/set-up.mjs"),
  import("./setup/project.mjs"),
]);
await main(async ({ signal, terminal }) => {
  await setUp({ root: checkoutRoot, signal, terminal });
  return 0;
});
