import { UsageError } from "../errors.ts";

/** Which engine the emulator uses; the first is the default. They give the same bits. */
export const ENGINES = ["fast", "golden"] as const;
export type EngineName = (typeof ENGINES)[number];

/** Most threads that the fast engine takes. */
export const MAX_THREADS = 256;

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

/**
 * The engine where none is named: what ACCLLM_EMU_ENGINE says, else the fast one.
 * @throws UsageError
 */
export function defaultEngine(env: NodeJS.ProcessEnv = process.env): EngineName {
  return parseEngine(env.ACCLLM_EMU_ENGINE || ENGINES[0]);
}
