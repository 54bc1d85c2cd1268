import { z } from "zod";
import { InputError } from "../../host/errors.ts";

/** How a GPTQ checkpoint says that it was quantized: in config.json, or in a quantize_config.json of its own. */
export const gptqConfigSchema = z.looseObject({
  quant_method: z.string().nullish(),
  checkpoint_format: z.string().nullish(),
  /** The same in the newest files. */
  format: z.string().nullish(),
  pack_dtype: z.string().nullish(),
  is_marlin_format: z.boolean().nullish(),
  meta: z.looseObject({ quantizer: z.union([z.string(), z.array(z.string())]).nullish() }).nullish(),
});

/**
 * How stored zero-points are meant. "same": as they are (gptq_v2). "plus-one": one less than meant, each by itself
 * modulo its bits (AutoGPTQ's first format). "word": one less than meant, as one number of 32 bits, so that a zero
 * borrows from its neighbours (GPTQModel's writing of the first format).
 */
export type ZeroOffset = "same" | "plus-one" | "word";

/** @throws InputError for another method or packing than GPTQ's. */
export function zeroOffsetOf(config: z.infer<typeof gptqConfigSchema>, label: string): ZeroOffset {
  const refuse = (what: string) =>
    new InputError(
      "QUANTIZATION_UNSUPPORTED",
      `${label} describes weights quantized ${what}; that cannot be read.`,
      {
        hint: "Give a GPTQ checkpoint in the formats gptq or gptq_v2, or one in float32, float16 or bfloat16.",
      },
    );
  const method = config.quant_method ?? "gptq";
  if (method !== "gptq") throw refuse(`by the method "${method}"`);
  if (config.is_marlin_format === true) throw refuse("in Marlin's packing");
  const packed = config.pack_dtype ?? "int32";
  if (packed !== "int32") throw refuse(`and packed into ${packed}`);
  const format = config.checkpoint_format ?? config.format ?? "gptq";
  if (format === "gptq_v2") return "same";
  if (format !== "gptq") throw refuse(`in the format "${format}"`);
  const makers = [config.meta?.quantizer ?? []].flat();
  return makers.some((maker) => maker.startsWith("gptqmodel")) ? "word" : "plus-one";
}
