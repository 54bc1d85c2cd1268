import type { FileHandle } from "node:fs/promises";
import { InputError } from "../../host/errors.ts";
import { checkImage } from "./image-check.ts";
import {
  type ImageHeader,
  imageHeaderSchema,
  imageMagic,
  imagePreambleBytes,
  imageVersion,
  maxImageHeaderBytes,
} from "./image-header.ts";

/**
 * Reads the header and checks it against its schema, the file and the model.
 * @throws InputError IMAGE_VERSION, or IMAGE_INVALID naming what is wrong.
 */
export async function readImageHeader(handle: FileHandle, path: string): Promise<ImageHeader> {
  const stat = await handle.stat();
  const invalid = (problem: string) => new InputError("IMAGE_INVALID", `${path} ${problem}.`);
  if (!stat.isFile()) throw invalid("is not a regular file");
  if (stat.size < imagePreambleBytes) throw invalid(`is no model image: it has only ${stat.size} bytes`);
  const preamble = new Uint8Array(imagePreambleBytes);
  await fillFrom(handle, path, 0, preamble);
  if (imageMagic.some((byte, i) => preamble[i] !== byte)) throw invalid("is not a model image");
  const view = new DataView(preamble.buffer);
  const version = view.getUint32(8, true);
  if (version !== imageVersion) {
    throw new InputError(
      "IMAGE_VERSION",
      `The image ${path} has version ${version} of the format; this program reads version ${imageVersion}.`,
      { hint: "Quantize the checkpoint again with this program." },
    );
  }
  const length = view.getUint32(12, true);
  if (length > maxImageHeaderBytes) {
    throw invalid(`has a header of ${length} bytes; at most ${maxImageHeaderBytes} are accepted`);
  }
  if (imagePreambleBytes + length > stat.size) {
    throw invalid(`is truncated: its header takes ${length} bytes, the file has ${stat.size}`);
  }
  const json = new Uint8Array(length);
  await fillFrom(handle, path, imagePreambleBytes, json);
  const header = parseHeader(json, path);
  checkImage(header, imagePreambleBytes + length, stat.size, path);
  return header;
}

function parseHeader(json: Uint8Array, path: string): ImageHeader {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json));
  } catch (cause) {
    throw new InputError(
      "IMAGE_INVALID",
      `The header of the image ${path} is not JSON: ${(cause as Error).message}.`,
      { cause },
    );
  }
  const parsed = imageHeaderSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new InputError(
    "IMAGE_INVALID",
    `The header of the image ${path} is wrong at "${issue?.path.join(".")}": ${issue?.message}.`,
    { cause: parsed.error },
  );
}

/** Fills `target` from `offset` on. @throws InputError where the file ends before. */
export async function fillFrom(
  handle: FileHandle,
  path: string,
  offset: number,
  target: Uint8Array,
): Promise<void> {
  for (let done = 0; done < target.length; ) {
    const { bytesRead } = await handle.read(target, done, target.length - done, offset + done);
    if (bytesRead === 0)
      throw new InputError("IMAGE_INVALID", `The image ${path} ends at byte ${offset + done}.`);
    done += bytesRead;
  }
}
