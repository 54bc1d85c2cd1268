import { createHash } from "node:crypto";
import type { ImageHeader } from "../../../quant/format/image-header.ts";
import type { MemoryPlan } from "../plan.ts";

/**
 * What a cache's bytes belong to: the image (its header holds a SHA-256 of every section), the sinks and the window.
 * Engines and cards do not matter: they give the same bits.
 */
export function cacheKey(header: ImageHeader, { sinks, window, kv }: MemoryPlan): string {
  return createHash("sha256").update(JSON.stringify({ header, sinks, window, kv })).digest("hex");
}
