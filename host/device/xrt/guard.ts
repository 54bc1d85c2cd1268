import { existsSync } from "node:fs";
import { crashReportFormat } from "../crash-reports.ts";
import { guardLibraryPath } from "../native.ts";
import { type GuardFunctions, guardDeclarations, loadLibrary } from "./binding.ts";

const hint =
  "On a card, look at `dmesg` and reset it with `xbutil reset`; `accllm doctor` checks the installation.";

let installed = false;

/** Installs what reportCrashes asked for; called before the first native library is loaded. */
export function installGuard(): void {
  const path = guardLibraryPath();
  const format = crashReportFormat();
  if (format === undefined || installed || !existsSync(path)) return;
  const install = loadLibrary(path).func(
    "accllmGuardInstall",
    ...guardDeclarations.accllmGuardInstall,
  ) as GuardFunctions["accllmGuardInstall"];
  const before = "The device's library ended unexpectedly: ";
  if (format === "json") {
    const [head, tail] = JSON.stringify({
      error: { code: "LIBRARY_CRASHED", message: `${before}|.`, hint },
    }).split("|");
    install(1, `\n${head}`, `${tail}\n`);
  } else install(2, `\nerror: ${before}`, `. ${hint}\n`);
  installed = true;
}
