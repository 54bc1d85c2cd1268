import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { runQuietly } from "./command.mjs";
import { SetupFailure } from "./failure.mjs";
import { oncePerDay } from "./optional-packages.mjs";
import { canInstallPackages, isOnPath } from "./system-tools.mjs";

const name = "nginx for tests";
const without = "the tests of deploy/nginx are skipped";

/**
 * The distribution's nginx: the one that is installed, else the one unpacked for the tests.
 * @param {string} build the checkout's build folder
 * @returns {string | undefined}
 */
export function nginxPath(build) {
  return ["/usr/sbin/nginx", unpacked(build)].find((path) => existsSync(path));
}

/** @param {string} build */
function unpacked(build) {
  return join(build, "tools", "nginx", "usr", "sbin", "nginx");
}

/**
 * nginx for the tests of deploy/nginx. Its package is unpacked and not installed: installing it would start a server
 * on port 80.
 * @type {import("./set-up.mjs").Step}
 */
export const nginxForTests = {
  name,
  async run({ paths, log, signal }) {
    if (nginxPath(paths.build) !== undefined) return { reused: true };
    if (!isOnPath("apt-get") || !isOnPath("dpkg-deb")) return { missing: `not installed, ${without}` };
    return oncePerDay(paths, name, async () => {
      const folder = join(paths.build, "tools");
      mkdirSync(folder, { recursive: true });
      const options = { cwd: folder, log, signal, what: "Fetching nginx" };
      try {
        try {
          await runQuietly("apt-get", ["download", "nginx"], options);
        } catch (error) {
          if (!(error instanceof SetupFailure) || !canInstallPackages()) throw error;
          await runQuietly("apt-get", ["update"], options);
          await runQuietly("apt-get", ["download", "nginx"], options);
        }
        const archive = readdirSync(folder).find((file) => /^nginx_.*\.deb$/.test(file)) ?? "";
        await runQuietly("dpkg-deb", ["-x", archive, "nginx"], options);
        rmSync(join(folder, archive));
      } catch (error) {
        if (!(error instanceof SetupFailure)) throw error;
        return { missing: `apt-get could not fetch it, ${without} (${log})` };
      }
      if (spawnSync(unpacked(paths.build), ["-v"]).status === 0) return { reused: false };
      rmSync(join(folder, "nginx"), { recursive: true, force: true });
      return { missing: `the distribution's nginx does not run as it is, ${without}` };
    });
  },
};
