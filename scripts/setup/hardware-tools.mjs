import { join } from "node:path";
import { SetupFailure } from "./failure.mjs";
import { fingerprint, Stamp } from "./stamp.mjs";
import { canInstallPackages, installPackages, isOnPath } from "./system-tools.mjs";

/** Programs that the tests of the accelerator's sources use where they are, and the Debian packages they come with. */
const tools = [
  { program: "verilator", packages: ["verilator"], tests: "the RTL simulation" },
  { program: "yosys", packages: ["yosys"], tests: "the LUT and DSP budgets" },
  // The sanitizers' libraries are recommended by clang, not required.
  { program: "clang++", packages: ["clang", "libclang-rt-14-dev"], tests: "C simulation with clang" },
];

/**
 * Verilator, Yosys and clang, for the tests of hls. Where they cannot be installed those tests are skipped by name.
 * @type {import("./set-up.mjs").Step}
 */
export const hardwareTools = {
  name: "hardware tools for tests",
  async run({ paths, log, signal }) {
    const missing = tools.filter(({ program }) => !isOnPath(program));
    if (missing.length === 0) return { reused: true };
    const programs = missing.map(({ program }) => program).join(", ");
    const skipped = `${missing.map(({ tests }) => tests).join(", ")} skipped`;
    const packages = missing.flatMap((tool) => tool.packages);
    if (!canInstallPackages()) {
      return {
        missing: `${programs} not installed: ${skipped} (sudo apt-get install -y ${packages.join(" ")})`,
      };
    }
    // One try a day, as with XRT.
    const stamp = new Stamp(join(paths.stamps, "hardware-tools.json"));
    const today = fingerprint(paths.root, [], { day: new Date().toISOString().slice(0, 10), programs });
    if (stamp.current(today)) return { missing: `apt-get has no ${programs} here: ${skipped}` };
    const options = { log, signal, what: `Installing ${programs}` };
    try {
      await installPackages(packages, options);
    } catch (error) {
      if (!(error instanceof SetupFailure)) throw error;
      // One package that this distribution lacks must not keep the others away.
      for (const name of packages) {
        await installPackages([name], options).catch((problem) => {
          if (!(problem instanceof SetupFailure)) throw problem;
        });
      }
    }
    const still = missing.filter(({ program }) => !isOnPath(program));
    if (still.length === 0) return { reused: false, text: `installed ${packages.join(", ")}` };
    stamp.write(today, []);
    return {
      missing: `apt-get could not install ${still.map(({ program }) => program).join(", ")} (${log})`,
    };
  },
};
