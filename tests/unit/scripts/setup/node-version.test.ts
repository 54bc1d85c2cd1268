import { expect, it } from "vitest";
import { nodeVersionProblem } from "../../../../scripts/setup/node-version.mjs";

it.each(["20.12.0", "20.12.1", "20.20.2", "22.0.0", "24.1.0"])("takes Node.js %s", (version) => {
  expect(nodeVersionProblem(version)).toBeUndefined();
});

it.each(["20.11.1", "18.20.4", "16.0.0", "0.10.48"])("tells what to do about Node.js %s", (version) => {
  const problem = nodeVersionProblem(version);
  expect(problem).toContain(`this is ${version}`);
  expect(problem).toContain("20.12 or newer");
  expect(problem).not.toContain("\n");
});
