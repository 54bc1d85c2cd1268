import { computeUnitName, kernelName, type Platform } from "../../quant/format/platform.ts";

/** What v++ is to measure on the card, at the cost of logic: transfers, executions and stalls of every port. */
export interface LinkOptions {
  readonly profile?: boolean | undefined;
}

/** The kernel touches every HBM channel, and HBM hangs on SLR0 of the U280 and the U55C. */
const slr = "SLR0";

/**
 * The configuration file of `v++ --link` (UG1393, "Vitis Compiler Configuration File"): one compute unit, its place, a
 * bank for every memory argument, the clock.
 */
export function linkConfig(platform: Platform, { profile = false }: LinkOptions = {}): string {
  const ports = platform.kernelArguments.flatMap((argument) =>
    argument.kind === "memory"
      ? [`sp=${computeUnitName}.${argument.name}:${platform.banks[argument.bank]!.name}`]
      : [],
  );
  const lines = [
    `# v++ --link for ${platform.shell}; generated from quant/format/platform.ts, do not edit.`,
    "[connectivity]",
    `nk=${kernelName}:1:${computeUnitName}`,
    `slr=${computeUnitName}:${slr}`,
    ...ports,
    "",
    "[clock]",
    `freqHz=${platform.clockMHz * 1e6}:${computeUnitName}`,
  ];
  if (profile) lines.push("", "[profile]", "data=all:all:all", "exec=all:all", "stall=all:all");
  return `${lines.join("\n")}\n`;
}
