/** A thread of {@link RowPool}: steps come in, their results go out; rows and packed bytes lie in shared memory. */
import { parentPort } from "node:worker_threads";
import { type RowStep, runRowStep } from "./row-step.ts";

parentPort?.on("message", (step: RowStep) => parentPort?.postMessage(runRowStep(step)));
