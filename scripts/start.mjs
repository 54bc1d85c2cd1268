// `npm start`: the set-up, then the demo. Arguments after `--` go to `accllm run`.
import { requireNode } from "./setup/node-version.mjs";

requireNode();
const [{ main }, { setUp }, { checkoutRoot }, { makeDemoImage }, { tellStory }] = await Promise.all([
  import("./setup/main.mjs"),
  import("./setup/set-up.mjs"),
  import("./setup/project.mjs"),
  import("./demo/image.mjs"),
  import("./demo/story.mjs"),
]);
await main(async ({ signal, terminal }) => {
  /** @type {import("./demo/image.mjs").DemoImage | undefined} */
  let image;
  const paths = await setUp({
    root: checkoutRoot,
    signal,
    terminal,
    whileLocked: async ({ paths }) => {
      image = await makeDemoImage({ paths, signal, terminal });
    },
  });
  if (image === undefined) throw new Error("The set-up ended without an image.");
  return await tellStory({ paths, signal, terminal, image, args: process.argv.slice(2) });
});
