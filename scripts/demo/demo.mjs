import { main } from "../setup/main.mjs";
import { checkoutRoot } from "../setup/project.mjs";
import { setUp } from "../setup/set-up.mjs";
import { makeDemoImage } from "./image.mjs";
import { tellStory } from "./story.mjs";

await main(async ({ signal, terminal }) => {
  /** @type {import("./image.mjs").DemoImage | undefined} */
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
