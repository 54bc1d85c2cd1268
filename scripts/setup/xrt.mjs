import { existsSync } from "node:fs";
import { join } from "node:path";
import { SetupFailure } from "./failure.mjs";
import { fingerprint, Stamp } from "./stamp.mjs";
import { canInstallPackages, installPackages } from "./system-tools.mjs";

// libxrt-dev's headers include uuid.h, though the package does not ask for it.
const packages = ["libxrt1", "libxrt-dev", "uuid-dev"];
const headers = ["/usr/include/xrt/xrt/xrt_device.h", "/usr/include/uuid/uuid.h"];
const library = "libxrt_coreutil.so.2";
const libraryFolders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];

/** Whether the distribution's XRT is installed, with its headers. */
function hasXrt() {
  return (
    headers.every((path) => existsSync(path)) &&
    libraryFolders.some((folder) => existsSync(join(folder, library)))
  );
}

/**
 * XRT itself, for the tests that compare our binding with the real library in noop mode. Debian and Ubuntu have
 * packages of it; without them those tests are skipped.
 * @type {import("./set-up.mjs").Step}
 */
export const xrtForTests = {
  name: "XRT for tests",
  async run({ paths, log, signal }) {
    if (hasXrt()) return { reused: true };
    const skipped = "the XRT noop contract tests are skipped";
    if (!canInstallPackages()) {
      return { missing: `not installed, ${skipped} (sudo apt-get install -y ${packages.join(" ")})` };
    }
    // One try a day: where the packages do not exist, every run would fetch the package lists in vain.
    const stamp = new Stamp(join(paths.stamps, "xrt.json"));
    const today = fingerprint(paths.root, [], { day: new Date().toISOString().slice(0, 10) });
    if (stamp.current(today)) return { missing: `apt-get has no XRT here, ${skipped}` };
    try {
      await installPackages(packages, { log, signal, what: "Installing XRT" });
    } catch (error) {
      if (!(error instanceof SetupFailure)) throw error;
      stamp.write(today, []);
      return { missing: `apt-get could not install XRT, ${skipped} (${log})` };
    }
    return { reused: false, text: `installed ${packages.join(", ")}` };
  },
};
