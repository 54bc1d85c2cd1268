#!/usr/bin/env node
import "./young-space.ts";
import process from "node:process";
import { reportCrashes } from "../device/crash-reports.ts";
import { InterruptedError } from "../errors.ts";
import { moduleServices } from "./module-services.ts";
import { runCli } from "./program.ts";

const INTERRUPTED = 130;
const controller = new AbortController();

/** The first signal lets the verb end in order; a second one does not wait for it. */
function interrupt(): void {
  if (controller.signal.aborted) process.exit(INTERRUPTED);
  controller.abort(new InterruptedError());
}

process.on("SIGINT", interrupt);
process.on("SIGTERM", interrupt);

reportCrashes(process.argv.includes("--json") ? "json" : "text");
const code = await runCli(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  signal: controller.signal,
  services: moduleServices,
});
// A stdin that is still open, or a native thread, must not keep the process.
process.exit(code);
