import { existsSync } from "node:fs";
import { optionalPackages } from "./optional-packages.mjs";

/** The browser in which the tests use the server's page. */
export const chromiumPath = "/usr/bin/chromium";

export const chromiumForTests = optionalPackages({
  name: "Chromium for tests",
  packages: ["chromium"],
  has: () => existsSync(chromiumPath),
  without: "the tests of the server's page are skipped",
});
