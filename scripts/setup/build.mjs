import { main } from "./main.mjs";
import { checkoutRoot } from "./project.mjs";
import { setUp } from "./set-up.mjs";

await main(async ({ signal, terminal }) => {
  await setUp({ root: checkoutRoot, signal, terminal });
  return 0;
});
