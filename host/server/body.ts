import type { IncomingMessage } from "node:http";
import { ApiError } from "./api-error.ts";

/**
 * Reads a request's body as JSON.
 * @param limit bytes at most
 * @throws ApiError 413 as soon as it is too long, 415 for another content type, 400 for what is no JSON in UTF-8
 */
export async function readJson(incoming: IncomingMessage, limit: number): Promise<unknown> {
  const type = incoming.headers["content-type"];
  if (type !== undefined && !/^application\/(json|[\w.+-]+\+json)\s*(;|$)/i.test(type)) {
    throw new ApiError(415, "The body must be of the type application/json.");
  }
  if (incoming.headers["content-encoding"] !== undefined) {
    throw new ApiError(415, "The body must not be compressed.");
  }
  const bytes = await readBytes(incoming, limit);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new ApiError(400, "The body is no text in UTF-8.", { code: "invalid_json" });
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new ApiError(400, "The body is no JSON.", { code: "invalid_json" });
  }
}

async function readBytes(incoming: IncomingMessage, limit: number): Promise<Buffer> {
  const tooLong = () =>
    new ApiError(413, `The body is over ${limit} bytes.`, {
      code: "body_too_large",
      headers: { connection: "close" },
    });
  if (Number(incoming.headers["content-length"] ?? 0) > limit) throw tooLong();
  return await new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    incoming.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > limit) {
        incoming.pause();
        reject(tooLong());
      } else chunks.push(chunk);
    });
    incoming.on("end", () => resolve(Buffer.concat(chunks)));
    incoming.on("error", () => reject(new ApiError(400, "The body ended early.")));
    incoming.on("close", () => reject(new ApiError(400, "The body ended early.")));
  });
}
