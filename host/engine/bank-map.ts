import type { MemoryPlan } from "./plan.ts";

/** A memory bank and what a plan puts into it. */
export interface BankUse {
  /** "HBM[3]". */
  readonly bank: string;
  readonly bytes: number;
  /** Bytes that the buffers take, in whole pages. */
  readonly used: number;
  readonly buffers: readonly { readonly argument: string; readonly bytes: number }[];
}

/** XRT allocates whole pages. */
const pageBytes = 4096;

/** What a plan puts into which bank, for the banks it uses, in their order. */
export function bankMap({ platform, buffers }: Pick<MemoryPlan, "platform" | "buffers">): BankUse[] {
  return platform.banks.flatMap(({ name, bytes }, index) => {
    const here = buffers.filter((buffer) => buffer.bank === index);
    if (here.length === 0) return [];
    const used = here.reduce((sum, buffer) => sum + Math.ceil(buffer.bytes / pageBytes) * pageBytes, 0);
    return [{ bank: name, bytes, used, buffers: here.map(({ argument, bytes }) => ({ argument, bytes })) }];
  });
}
