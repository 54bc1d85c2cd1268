// `npm run build`: the set-up alone.
import { requireNode } from "./setup/node-version.mjs";

requireNode();
import("./setup/build.mjs");
