import { copyFileSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { ImageSource } from "../../../../host/engine/image-source.ts";
import { Session } from "../../../../host/engine/session.ts";
import { type Image, openImage } from "../../../../quant/format/image.ts";
import { platforms } from "../../../../quant/format/platform.ts";
import { quantizeCheckpoint } from "../../../../quant/passes/quantize.ts";
import { FakeDevice } from "./fake-device.ts";

const demo = fileURLToPath(new URL("../../../../models/demo", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "accllm-upload-"));
const path = join(folder, "demo.accllm");
const platform = platforms.u280!;
let image: Image;

beforeAll(async () => {
  await quantizeCheckpoint({ checkpoint: demo, output: path, window: 60 });
});
afterEach(async () => {
  await image.close();
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What the device holds of every buffer after a model was sent to it. */
async function upload(source: ImageSource): Promise<{ held: Map<string, Uint8Array>; mapped: string[] }> {
  const device = new FakeDevice(undefined, platform);
  const session = await Session.open({ device, image: source, ownsDevice: true });
  const held = new Map([...device.buffers].map(([name, buffer]) => [name, buffer.device]));
  const mapped = [...device.buffers].filter(([, { hostMemory }]) => hostMemory !== undefined);
  await session.close();
  return { held, mapped: mapped.map(([name]) => name) };
}

/** The same without a file to map. */
function unmapped(source: Image): ImageSource {
  return {
    header: source.header,
    readSection: (name, target, signal) => source.readSection(name, target, signal),
  };
}

describe("the upload of an image file", () => {
  it("is made from the mapped file, and leaves what an upload that reads leaves", async () => {
    image = await openImage(path);
    const { held, mapped } = await upload(image);
    const read = await upload(unmapped(image));
    expect(mapped.sort()).toEqual(
      [...image.header.sections.map(({ name }) => name)].filter((name) => held.has(name)).sort(),
    );
    expect(mapped).toContain("table");
    expect(mapped).toHaveLength(platform.weightChannels + 1);
    expect(read.mapped).toEqual([]);
    for (const [name, bytes] of held) expect(Buffer.compare(bytes, read.held.get(name)!), name).toBe(0);
    const file = readFileSync(path);
    for (const { name, offset, bytes } of image.header.sections) {
      const device = held.get(name)?.subarray(0, bytes);
      if (device !== undefined) expect(Buffer.compare(device, file.subarray(offset, offset + bytes))).toBe(0);
    }
  });

  it("counts every byte that goes to the device, once", async () => {
    image = await openImage(path);
    const seen: [number, number][] = [];
    const device = new FakeDevice(undefined, platform);
    const progress = (done: number, total: number) => seen.push([done, total]);
    const session = await Session.open({ device, image, ownsDevice: true, progress });
    const sent = session.plan.buffers.filter(({ argument }) => !/^(io|kv)/.test(argument));
    const total = sent.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(seen[0]).toEqual([0, total]);
    expect(seen.at(-1)).toEqual([total, total]);
    expect(seen.map(([done]) => done)).toEqual(seen.map(([done]) => done).sort((a, b) => a - b));
    await session.close();
  });

  it.each(["w3", "table"])("names the section that was damaged (%s), and frees everything", async (name) => {
    const damaged = join(folder, `damaged-${name}.accllm`);
    copyFileSync(path, damaged);
    image = await openImage(damaged);
    const section = image.header.sections.find((one) => one.name === name)!;
    const byte = readFileSync(damaged)[section.offset + 100]!;
    writeSync(openSync(damaged, "r+"), Buffer.of(byte ^ 1), 0, 1, section.offset + 100);
    const device = new FakeDevice(undefined, platform);
    await expect(Session.open({ device, image, ownsDevice: true })).rejects.toMatchObject({
      code: "IMAGE_HASH",
      exitCode: 3,
      message: expect.stringContaining(`"${name}"`),
    });
    expect([...device.buffers.values()].every(({ closed }) => closed === 1)).toBe(true);
    expect(device.log.at(-1)).toBe("close device");
  });

  it("ends when it is interrupted half way", async () => {
    image = await openImage(path);
    const device = new FakeDevice(undefined, platform);
    const stop = new AbortController();
    const progress = (done: number) => {
      if (done > 0) stop.abort();
    };
    const opening = Session.open({ device, image, ownsDevice: true, progress, signal: stop.signal });
    await expect(opening).rejects.toMatchObject({ exitCode: 130 });
    expect([...device.buffers.values()].every(({ closed }) => closed === 1)).toBe(true);
    expect(device.buffers.get(`w${platform.weightChannels - 1}`)!.device.every((byte) => byte === 0)).toBe(
      true,
    );
  });
});
