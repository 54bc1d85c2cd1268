import type { ServerResponse } from "node:http";
import { ApiError } from "./api-error.ts";
import { checkLength, checkModel, checkPrompt } from "./jobs.ts";
import type { EmbeddingsRequest } from "./requests.ts";
import type { EmbeddingJob, ModelService, ServedModel } from "./service.ts";
import { watch } from "./watch.ts";

/** Numbers in one answer. */
const MAX_VALUES = 1 << 22;

/** @throws ApiError 400, 404 */
export function embeddingJob(model: ServedModel, request: EmbeddingsRequest): EmbeddingJob {
  checkModel(model, request.model);
  const { hiddenSize } = model.header.model;
  if (request.dimensions != null && request.dimensions !== hiddenSize) {
    throw new ApiError(400, `This model's embeddings have ${hiddenSize} dimensions and no other number.`, {
      param: "dimensions",
      code: "invalid_value",
    });
  }
  const texts = textsOf(request.input);
  if (texts.length * hiddenSize > MAX_VALUES) {
    const most = Math.floor(MAX_VALUES / hiddenSize);
    throw new ApiError(400, `At most ${most} texts can be embedded at once, not ${texts.length}.`, {
      param: "input",
      code: "invalid_value",
    });
  }
  return {
    pooling: request.pooling ?? "last",
    texts: texts.map((text) => {
      if (text.length === 0) throw new ApiError(400, "A text is empty.", { param: "input" });
      if (typeof text === "string") checkLength(model, text.length, "input");
      const ids = typeof text === "string" ? model.codec.encode(text) : text;
      checkPrompt(model, ids, "input");
      return ids;
    }),
  };
}

function textsOf(input: EmbeddingsRequest["input"]): readonly (string | readonly number[])[] {
  if (typeof input === "string") return [input];
  return typeof input[0] === "number" ? [input as number[]] : (input as string[] | number[][]);
}

/**
 * Embeds texts and answers with the vectors.
 * @throws whatever ends that before
 */
export async function answerEmbeddings(
  service: ModelService,
  job: EmbeddingJob,
  { encoding_format: encoding }: Pick<EmbeddingsRequest, "encoding_format">,
  outgoing: ServerResponse,
  deadlineMs: number,
): Promise<Response> {
  const model = service.model.name;
  const { stop, release } = watch(outgoing, deadlineMs);
  try {
    const vectors = await service.embed(job, stop.signal);
    const tokens = job.texts.reduce((sum, ids) => sum + ids.length, 0);
    return Response.json({
      object: "list",
      data: vectors.map((vector, index) => ({
        object: "embedding",
        index,
        embedding: encoding === "base64" ? base64(vector) : Array.from(vector),
      })),
      model,
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    });
  } finally {
    release();
  }
}

/** float32, little endian. */
function base64(vector: Float32Array): string {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString("base64");
}
