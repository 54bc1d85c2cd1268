/** A host program that ends with a device, a kernel, buffers and a run open: exit-scenario DEVICE XCLBIN HOW. */

import { reportCrashes } from "../../host/device/crash-reports.ts";
import { openDevice } from "../../host/device/open.ts";

const [, , device = "", xclbin = "", how = "", libraryPath] = process.argv;
if (how === "stream") reportCrashes("text");
if (how === "stream-json") reportCrashes("json");
const opened = await openDevice(device, libraryPath === undefined ? {} : { libraryPath });
opened.load(xclbin);
const kernel = opened.openKernel("accllm");
const buffers = Object.fromEntries(
  ["w0", "w1", "kv0", "table", "io"].map((name) => [name, kernel.allocate(name, 4096)]),
);
await kernel.run({ ...buffers, job: 1 });
if (how === "running") {
  kernel.run({ ...buffers, job: 0xffffffff }).catch(() => undefined);
  setTimeout(() => process.exit(7), 30);
}
if (how === "exit") process.exit(7);
if (how === "throw") throw new Error("left open on purpose");
if (how.startsWith("stream")) {
  process.stderr.write("streaming");
  for (;;) await kernel.run({ ...buffers, job: 1 });
}
