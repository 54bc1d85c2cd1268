// `npm start`: the set-up, then the demo. Arguments after `--` go to `accllm run`.
import { requireNode } from "./setup/node-version.mjs";

requireNode();
import("./demo/demo.mjs");
