// Imported first and alone: it must parse and run on any Node.js with ES modules, so that an old one gets a
// sentence instead of a syntax error from the modules behind it.

const required = [20, 12];

/**
 * The paragraph for a Node.js that is too old; undefined where `version` is new enough.
 * @param {string} version such as "20.12.0"
 * @returns {string | undefined}
 */
export function nodeVersionProblem(version) {
  const parts = version.split(".").map(Number);
  const enough = parts[0] > required[0] || (parts[0] === required[0] && parts[1] >= required[1]);
  if (enough) return undefined;
  return (
    `accllm needs Node.js ${required.join(".")} or newer, and this is ${version} (${process.execPath}). ` +
    "Install a current one, for instance with `nvm install 20` or from https://nodejs.org/en/download, " +
    "open a new terminal and type the command again."
  );
}

/** Ends the process with exit code 5 where its Node.js is too old. */
export function requireNode() {
  const problem = nodeVersionProblem(process.versions.node);
  if (problem === undefined) return;
  console.error(problem);
  process.exit(5);
}
