import { existsSync } from "node:fs";
import { join } from "node:path";
import { optionalPackages } from "./optional-packages.mjs";

const headers = ["/usr/include/xrt/xrt/xrt_device.h", "/usr/include/uuid/uuid.h"];
const library = "libxrt_coreutil.so.2";
const libraryFolders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];

/**
 * XRT itself, for the tests that compare our binding with the real library in noop mode. Debian and Ubuntu have
 * packages of it, with its headers.
 */
export const xrtForTests = optionalPackages({
  name: "XRT for tests",
  // libxrt-dev's headers include uuid.h, though the package does not ask for it.
  packages: ["libxrt1", "libxrt-dev", "uuid-dev"],
  has: () =>
    headers.every((path) => existsSync(path)) &&
    libraryFolders.some((folder) => existsSync(join(folder, library))),
  without: "the XRT noop contract tests are skipped",
});
