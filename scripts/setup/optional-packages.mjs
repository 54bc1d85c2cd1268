import { join } from "node:path";
import { SetupFailure } from "./failure.mjs";
import { fingerprint, Stamp } from "./stamp.mjs";
import { canInstallPackages, installPackages } from "./system-tools.mjs";

/**
 * A step that installs Debian packages which some tests need; without them those are skipped, so that it never fails.
 * @param {object} options
 * @param {string} options.name of the step
 * @param {readonly string[]} options.packages
 * @param {() => boolean} options.has whether they are installed
 * @param {string} options.without what is skipped without them
 * @returns {import("./set-up.mjs").Step}
 */
export function optionalPackages({ name, packages, has, without }) {
  return {
    name,
    async run({ paths, log, signal }) {
      if (has()) return { reused: true };
      if (!canInstallPackages()) {
        return { missing: `not installed, ${without} (sudo apt-get install -y ${packages.join(" ")})` };
      }
      return oncePerDay(paths, name, async () => {
        try {
          await installPackages(packages, { log, signal, what: `Installing ${packages.join(", ")}` });
        } catch (error) {
          if (!(error instanceof SetupFailure)) throw error;
          return { missing: `apt-get could not install ${packages.join(", ")}, ${without} (${log})` };
        }
        if (!has()) return { missing: `${packages.join(", ")} brought no program, ${without}` };
        return { reused: false, text: `installed ${packages.join(", ")}` };
      });
    },
  };
}

/**
 * Tries something once a day: where packages do not exist, every run would fetch the package lists in vain.
 * @param {import("./project.mjs").ProjectPaths} paths
 * @param {string} name
 * @param {() => Promise<import("./set-up.mjs").StepResult>} attempt
 * @returns {Promise<import("./set-up.mjs").StepResult>}
 */
export async function oncePerDay(paths, name, attempt) {
  /** @type {Stamp<string>} */
  const stamp = new Stamp(join(paths.stamps, `${name.toLowerCase().replaceAll(" ", "-")}.json`));
  const today = fingerprint(paths.root, [], { day: new Date().toISOString().slice(0, 10) });
  const failed = stamp.current(today);
  if (failed !== undefined) return { missing: failed.result };
  const result = await attempt();
  if (result.missing !== undefined) stamp.write(today, [], result.missing);
  return result;
}
