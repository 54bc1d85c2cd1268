import type { FormatOverride } from "../../quant/passes/formats.ts";
import { UsageError } from "../errors.ts";

/** Weight formats: 2 bits with 2:4 sparsity, and dense 2, 4 and 8 bits. */
export const WEIGHT_FORMATS = ["w2s24", "w2", "w4", "w8"] as const;
export type WeightFormatName = (typeof WEIGHT_FORMATS)[number];

/** Size of a group of weights that share a scale; the only one the accelerator has. */
export const GROUP_SIZE = 64;

/**
 * Reads overrides such as `lm_head.weight=w4` or `layers.0.*=w8`.
 * @throws UsageError for a text of another form or an unknown format
 */
export function parseOverrides(texts: readonly string[]): FormatOverride[] {
  return texts.map((text) => {
    const [, tensor, name] = /^([^=]+)=([^=]*)$/.exec(text) ?? [];
    const format = WEIGHT_FORMATS.find((known) => known === name);
    if (tensor === undefined || format === undefined) {
      throw new UsageError(
        "BAD_OVERRIDE",
        `The override ${JSON.stringify(text)} is not of the form TENSOR=FORMAT.`,
        {
          hint: `The formats are ${WEIGHT_FORMATS.join(", ")}; for example --override lm_head.weight=w4.`,
        },
      );
    }
    return { tensor, format };
  });
}
