import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { runQuietly } from "./command.mjs";
import { SetupFailure } from "./failure.mjs";

/** Programs the native build needs; each is the name of its Debian package too. */
const neededTools = ["cmake", "g++", "make"];

/**
 * @param {string} name
 * @param {string} [path] as in the PATH variable
 * @returns {boolean} whether a program of that name can be run
 */
export function isOnPath(name, path = process.env.PATH ?? "") {
  return path.split(delimiter).some((folder) => {
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return statSync(file).isFile();
    } catch {
      return false;
    }
  });
}

/** Whether packages can be installed without asking anybody: root on a Debian or Ubuntu system. */
export function canInstallPackages() {
  return process.getuid?.() === 0 && isOnPath("apt-get");
}

/**
 * Finds the programs of the native build, and installs what is missing where that is possible.
 * @type {import("./set-up.mjs").Step}
 */
export const systemTools = {
  name: "system tools",
  async run({ log, signal }) {
    const missing = neededTools.filter((tool) => !isOnPath(tool));
    if (missing.length === 0) return { reused: true };
    if (!canInstallPackages()) throw new SetupFailure(missingToolsParagraph(missing));
    await installPackages(missing, {
      log,
      signal,
      what: `Installing ${missing.join(", ")} with apt-get`,
      hint: missingToolsParagraph(missing),
    });
    const still = missing.filter((tool) => !isOnPath(tool));
    if (still.length > 0) throw new SetupFailure(missingToolsParagraph(still));
    return { reused: false, text: `installed ${missing.join(", ")}` };
  },
};

/**
 * @param {readonly string[]} missing
 * @returns {string}
 */
export function missingToolsParagraph(missing) {
  const fedora = missing.map((tool) => (tool === "g++" ? "gcc-c++" : tool));
  const arch = missing.map((tool) => (tool === "g++" ? "gcc" : tool));
  return (
    `The native build needs ${missing.join(", ")}, which ${missing.length === 1 ? "is" : "are"} not on the PATH. ` +
    `Install ${missing.length === 1 ? "it" : "them"} - on Debian or Ubuntu: \`sudo apt-get install -y ${missing.join(" ")}\`; ` +
    `on Fedora or RHEL: \`sudo dnf install ${fedora.join(" ")}\`; on Arch: \`sudo pacman -S ${arch.join(" ")}\` - ` +
    "and type the command again."
  );
}

/**
 * Installs Debian packages, fetching the package lists first where they are absent.
 * @param {readonly string[]} packages
 * @param {{ log: string, signal: AbortSignal, what: string, hint?: string }} options
 * @throws {SetupFailure}
 */
export async function installPackages(packages, options) {
  // dpkg wants the administrator's folders, which a bare environment may lack.
  const PATH = [process.env.PATH, "/usr/local/sbin", "/usr/sbin", "/sbin"].filter(Boolean).join(delimiter);
  const env = { ...process.env, PATH, DEBIAN_FRONTEND: "noninteractive" };
  const common = { ...options, cwd: "/", env };
  const wait = ["-o", "DPkg::Lock::Timeout=120"];
  const install = ["install", "-y", "--no-install-recommends", ...wait, ...packages];
  // Mends what an interrupted installation left; does nothing otherwise.
  await runQuietly("dpkg", ["--configure", "-a"], common);
  try {
    await runQuietly("apt-get", install, common);
  } catch (error) {
    if (!(error instanceof SetupFailure)) throw error;
    await runQuietly("apt-get", ["update", ...wait], common);
    await runQuietly("apt-get", install, common);
  }
}
