// `npm test`: the set-up, then format, lint, type check and tests. Arguments after `--` go to vitest.
import { requireNode } from "./setup/node-version.mjs";

requireNode();
import("./checks/checks.mjs");
