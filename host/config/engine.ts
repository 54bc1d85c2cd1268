import { UsageError } from "../errors.ts";

/** Which engine the emulator uses. */
export const ENGINES = ["golden"] as const;
export type EngineName = (typeof ENGINES)[number];

/**
 * Checks the name of an engine.
 * @throws UsageError
 */
export function parseEngine(name: string): EngineName {
  const engine = ENGINES.find((known) => known === name);
  if (engine !== undefined) return engine;
  throw new UsageError("BAD_ENGINE", `There is no engine called ${JSON.stringify(name)}.`, {
    hint: `The engines of the emulator: ${ENGINES.join(", ")}.`,
  });
}
