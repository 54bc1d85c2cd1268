import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, describe, expect, it } from "vitest";
import { createContext } from "../../../../host/cli/context.ts";
import { demoImage } from "../../../../host/cli/demo-image.ts";
import { moduleServices } from "../../../../host/cli/module-services.ts";
import { kernelAbiVersion } from "../../../../quant/format/platform.ts";
import { Sink } from "./harness.ts";

const folder = mkdtempSync(join(tmpdir(), "accllm-demo-"));
afterAll(() => rmSync(folder, { recursive: true }));

function context(quantized: string[]) {
  const never = new AbortController().signal;
  const stderr = new Sink();
  const io = {
    stdin: Readable.from([]),
    stdout: new Sink(),
    stderr,
    env: {},
    signal: never,
    services: {
      ...moduleServices,
      quantize: async ({ checkpoint, output }: { checkpoint: string; output: string }) => {
        quantized.push(checkpoint);
        writeFileSync(output, "image");
        return {
          image: output,
          bytes: 5,
          bitsPerWeight: 3,
          seconds: 0,
          weights: "w2s24",
          keyMeans: "none",
          method: "round",
          tensors: [],
        } as const;
      },
    },
  };
  return createContext(io, { json: false, debug: false, outputGone: never });
}

describe("demoImage", () => {
  it("is made on first use, in a folder that need not exist, and then kept", async () => {
    const cache = join(folder, "new", "cache");
    const quantized: string[] = [];
    const image = join(cache, `demo-abi${kernelAbiVersion}.accllm`);
    expect(await demoImage(context(quantized), cache)).toBe(image);
    expect(quantized).toEqual([expect.stringMatching(/models.demo$/)]);
    expect(await demoImage(context(quantized), cache)).toBe(image);
    expect(quantized).toHaveLength(1);
  });

  it("is made again where the checkpoint is newer", async () => {
    const quantized: string[] = [];
    const image = await demoImage(context(quantized), folder);
    utimesSync(image, new Date(0), new Date(0));
    await demoImage(context(quantized), folder);
    expect(quantized).toHaveLength(2);
  });
});
