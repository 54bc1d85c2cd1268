import type { ImageTensor } from "../../quant/format/image-header.ts";
import { ENGINES } from "../config/engine.ts";

/** Multiplications in a millisecond that the golden engine reaches on any machine worth trying it on. */
const slowestProductsPerMs = 10_000;

/** A simulation of the circuit takes hours where a card takes milliseconds. */
const simulationMs = 24 * 3_600_000;

/**
 * Milliseconds after which a block of so many tokens counts as hung where a CPU runs the kernel, at its own pace;
 * undefined for a card, where the device's default is ample.
 */
export function cpuTimeoutMs(
  engine: string,
  tensors: readonly ImageTensor[],
): (tokens: number) => number | undefined {
  if (engine === "hw_emu" || engine === "sw_emu") return () => simulationMs;
  if (!ENGINES.some((name) => name === engine)) return () => undefined;
  const products = tensors.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
  return (tokens) => 60_000 + (products * tokens) / slowestProductsPerMs;
}
