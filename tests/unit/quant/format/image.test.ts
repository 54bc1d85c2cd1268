import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { ReferenceModel, type ReferenceSpec } from "../../../../quant/eval/reference/model.ts";
import { openImage } from "../../../../quant/format/image.ts";
import { type ImageHeader, imagePreambleBytes } from "../../../../quant/format/image-header.ts";
import { readImageContents } from "../../../../quant/format/image-reference.ts";
import { openCheckpoint } from "../../../../quant/io/checkpoint.ts";
import { quantizeCheckpoint } from "../../../../quant/passes/quantize.ts";
import { newFolder, writeCheckpoint } from "../io/small-checkpoint.ts";

let folder: string;
let good: Buffer;
let header: ImageHeader;
let checkpoint: string;

beforeAll(async () => {
  folder = newFolder();
  checkpoint = writeCheckpoint();
  writeFileSync(join(checkpoint, "tokenizer.json"), '{"model":"as it was"}');
  writeFileSync(join(checkpoint, "tokenizer_config.json"), '{"bos_token":"<s>"}');
  writeFileSync(join(checkpoint, "chat_template.jinja"), "{{ messages }}");
  const output = join(folder, "good.accllm");
  await quantizeCheckpoint({ checkpoint, output, platform: "tiny", weights: "w4", window: 100 });
  good = readFileSync(output);
  header = JSON.parse(good.toString("utf8", imagePreambleBytes, imagePreambleBytes + good.readUInt32LE(12)));
});

let count = 0;
function write(bytes: Uint8Array): string {
  const path = join(folder, `image-${count++}.accllm`);
  writeFileSync(path, bytes);
  return path;
}

/** The good image with its header's text replaced; the sections stay where they were. */
function withHeaderText(text: string): string {
  const json = Buffer.from(text);
  const bytes = Buffer.from(good);
  expect(imagePreambleBytes + json.length).toBeLessThanOrEqual(header.sections[0]!.offset);
  bytes.writeUInt32LE(json.length, 12);
  json.copy(bytes, imagePreambleBytes);
  return write(bytes);
}

function withHeader(change: (header: ImageHeader) => void): string {
  const changed = structuredClone(header);
  change(changed);
  return withHeaderText(JSON.stringify(changed));
}

async function refusal(path: string): Promise<{ code: string; message: string; exitCode: number }> {
  try {
    await (await openImage(path)).close();
  } catch (error) {
    const { code, message, exitCode } = error as { code: string; message: string; exitCode: number };
    expect(exitCode).toBe(3);
    expect(message).not.toContain("\n");
    return { code, message, exitCode };
  }
  throw new Error(`${path} was accepted`);
}

describe("openImage", () => {
  it("gives back what was written", async () => {
    const image = await openImage(write(good));
    expect(image.header).toEqual(header);
    await image.verifyHashes();
    const files = await image.tokenizerFiles();
    expect(Buffer.from(files.tokenizerJson).toString()).toBe('{"model":"as it was"}');
    expect(Buffer.from(files.tokenizerConfig!).toString()).toBe('{"bos_token":"<s>"}');
    expect(Buffer.from(files.chatTemplate!).toString()).toBe("{{ messages }}");

    const source = await openCheckpoint(checkpoint);
    for (const name of Object.keys(header.table.gains)) {
      expect(await image.gain(name)).toEqual(await source.readRows(name, 0, 1));
    }
    // Multiples of 1/8 below 2 have at most five significant bits: float16 holds them as they are.
    const embedding = await image.embedding();
    const expected = await source.readRows("model.embed_tokens.weight", 0, 10);
    const halves = new DataView(embedding.buffer);
    expect(Float32Array.from(expected, (_, i) => halfAt(halves, 2 * i))).toEqual(expected);
    expect(await image.embeddingRow(9)).toEqual(embedding.slice(72));
    const table = header.sections.find(({ name }) => name === "table")!.offset;
    const mean = table + header.table.keyMeans[1]! * 64;
    expect([...(await image.keyMean(1))]).toEqual([0, 4, 8, 12].map((at) => good.readFloatLE(mean + at)));
    await source.close();
    await image.close();
  });

  it("is what the reference model runs from", async () => {
    const image = await openImage(write(good));
    const spec: ReferenceSpec = await readImageContents(image);
    const logits = new ReferenceModel(spec).step(3, 0)!;
    expect(logits.length).toBe(10);
    expect(logits.some((v) => v !== 0)).toBe(true);
    const { layout, channels } = await image.matrix("lm_head.weight");
    expect(spec.matrix("lm_head.weight")).toEqual({ layout, channels });
    await image.close();
  });

  it("lays sections on pages and keeps weights, table and files apart", () => {
    expect(header.sections.map(({ name }) => name)).toEqual([
      "w0",
      "w1",
      "table",
      "tokenizer.json",
      "tokenizer_config.json",
      "chat_template.jinja",
    ]);
    for (const { offset } of header.sections) expect(offset % 4096).toBe(0);
    const last = header.sections.at(-1)!;
    expect(good.length).toBe(last.offset + last.bytes);
  });

  it("refuses a file that is not there, a folder, a short file and another kind of file", async () => {
    expect((await refusal(join(folder, "missing"))).code).toBe("FILE_UNREADABLE");
    expect((await refusal(folder)).code).toBe("IMAGE_INVALID");
    expect((await refusal(write(good.subarray(0, 15)))).message).toContain("only 15 bytes");
    expect((await refusal(write(Buffer.alloc(4096)))).message).toContain("not a model image");
  });

  it("refuses another version, and a header over the limit or the file's end", async () => {
    const poke = (at: number, value: number) => {
      const bytes = Buffer.from(good);
      bytes.writeUInt32LE(value, at);
      return write(bytes);
    };
    expect((await refusal(poke(8, 2))).code).toBe("IMAGE_VERSION");
    expect((await refusal(poke(12, 0xffffffff))).message).toContain("at most 16777216");
    expect((await refusal(poke(12, good.length))).message).toContain("truncated");
  });

  it("refuses a header that is not UTF-8, not JSON or not its schema", async () => {
    const bytes = Buffer.from(good);
    bytes[imagePreambleBytes + 2] = 0xff;
    expect((await refusal(write(bytes))).message).toContain("not JSON");
    expect((await refusal(withHeaderText("{"))).message).toContain("not JSON");
    expect((await refusal(withHeaderText("[]"))).code).toBe("IMAGE_INVALID");
    const wrong = withHeaderText(JSON.stringify(header).replace('"hiddenSize":8', '"hiddenSize":-8'));
    expect((await refusal(wrong)).message).toContain('"model.hiddenSize"');
  });

  const damages: [string, (header: ImageHeader) => void, RegExp][] = [
    ["a model of a billion layers", (h) => (h.model.layers = 1e9), /number of layers of 1000000000/],
    ["a hidden size over the limit", (h) => (h.model.hiddenSize = 1 << 20), /hidden size/],
    ["an odd head size", (h) => (h.model.headDim = 3), /head size of 3/],
    ["heads that do not divide", (h) => (h.model.kvHeads = 3), /key-value heads/],
    ["a window over the limit", (h) => (h.kv.window = 1 << 20), /window of 1048576/],
    ["a missing section", (h) => h.sections.splice(0, 1), /no section "w0"/],
    ["a section twice", (h) => h.sections.push(h.sections[0]!), /two sections "w0"/],
    ["an unknown section", (h) => (h.sections[5]!.name = "w7"), /unknown section "w7"/],
    ["a section off its page", (h) => (h.sections[0]!.offset += 64), /not at a page/],
    ["a section in the header", (h) => (h.sections[0]!.offset = 0), /"w0" overlaps/],
    ["sections that overlap", (h) => (h.sections[1]!.offset = h.sections[0]!.offset), /overlaps/],
    ["a section past the end", (h) => (h.sections[5]!.bytes += 1), /but the file has only/],
    ["a huge section", (h) => (h.sections[5]!.bytes = 2 ** 52), /but the file has only/],
    ["a missing tensor", (h) => h.tensors.pop(), /lists 14 tensors; its model has 15/],
    [
      "a tensor of another name",
      (h) => (h.tensors[0]!.name = "x"),
      /no tensor "model.layers.0.self_attn.q_proj/,
    ],
    ["a tensor of another shape", (h) => (h.tensors[3]!.columns = 12), /shape \[8, 12\]/],
    ["a tensor of another length", (h) => (h.tensors[3]!.beats += 1), /beats/],
    ["a tensor of another format", (h) => (h.tensors[3]!.format = "w8"), /as w8 it fills/],
    ["tensors that overlap", (h) => (h.tensors[1]!.offset = 0), /overlaps/],
    ["a tensor past its section", (h) => (h.tensors.at(-1)!.offset += 1), /section "w0" has/],
    ["an embedding of other rows", (h) => (h.table.embedding.rowBeats = 2), /rows of 2 beats/],
    [
      "gains that are missing",
      (h) => delete h.table.gains["model.norm.weight"],
      /no tensor "model.norm.weight"/,
    ],
    ["gains outside the table", (h) => (h.table.gains["model.norm.weight"] = 1e9), /section "table" has/],
    ["key means that are missing", (h) => h.table.keyMeans.pop(), /key means of 1 layers/],
    [
      "biases that are missing",
      (h) => (h.model.attentionBias = "qkv"),
      /no tensor "model.layers.0.self_attn.q_proj.bias"/,
    ],
  ];
  for (const [what, change, message] of damages) {
    it(`refuses ${what}`, async () => {
      const { code, message: text } = await refusal(withHeader(change));
      expect(code).toBe("IMAGE_INVALID");
      expect(text).toMatch(message);
    });
  }

  const foreign: [string, (header: ImageHeader) => void][] = [
    ["another kernel interface", (h) => (h.abi = 99)],
    ["an unknown platform", (h) => (h.platform.name = "constructor")],
    ["another number of channels", (h) => (h.platform.weightChannels = 1_000_000_000)],
  ];
  for (const [what, change] of foreign) {
    it(`refuses an image for ${what}`, async () => {
      expect((await refusal(withHeader(change))).code).toBe("IMAGE_ABI");
    });
  }

  it("refuses a file that ends early, whichever page is missing", async () => {
    for (let bytes = header.sections[0]!.offset; bytes < good.length; bytes += 4096) {
      expect((await refusal(write(good.subarray(0, bytes)))).message).toMatch(/file has only \d+/);
    }
  });
});

describe("hashes", () => {
  it("name the section in which a bit is flipped, however it is read", async () => {
    for (const section of header.sections) {
      const bytes = Buffer.from(good);
      bytes[section.offset + section.bytes - 1]! ^= 0x10;
      const image = await openImage(write(bytes));
      const refused = {
        code: "IMAGE_HASH",
        message: expect.stringContaining(`"${section.name}"`),
        exitCode: 3,
      };
      await expect(image.verifyHashes()).rejects.toMatchObject(refused);
      await expect(image.readSection(section.name, new Uint8Array(section.bytes))).rejects.toMatchObject(
        refused,
      );
      await image.close();
    }
  });

  it("report progress up to all bytes, and stop when aborted", async () => {
    const image = await openImage(write(good));
    const total = header.sections.reduce((sum, { bytes }) => sum + bytes, 0);
    const seen: number[] = [];
    await image.verifyHashes({ progress: (done, all) => seen.push(done, all) });
    expect(seen.slice(-2)).toEqual([total, total]);
    await expect(image.verifyHashes({ signal: AbortSignal.abort() })).rejects.toMatchObject({
      exitCode: 130,
    });
    await image.close();
  });
});

describe("readSection", () => {
  it("fills part of a section, and refuses more than it has or a section that is not there", async () => {
    const image = await openImage(write(good));
    const { offset, bytes } = header.sections[0]!;
    const part = new Uint8Array(100);
    await image.readSection("w0", part);
    expect(Buffer.from(part)).toEqual(good.subarray(offset, offset + 100));
    await expect(image.readSection("w0", new Uint8Array(bytes + 1))).rejects.toMatchObject({ exitCode: 3 });
    await expect(image.readSection("w9", part)).rejects.toMatchObject({ exitCode: 3 });
    await image.close();
  });

  it("says so when the file shrank meanwhile", async () => {
    const path = write(good);
    const image = await openImage(path);
    truncateSync(path, statSync(path).size - 5);
    await expect(image.tokenizerFiles()).rejects.toMatchObject({ code: "IMAGE_INVALID" });
    await image.close();
    expect(existsSync(path)).toBe(true);
  });
});

/** A float16 with a normal exponent or zero, by the definition. */
function halfAt(view: DataView, at: number): number {
  const bits = view.getUint16(at, true);
  if ((bits & 0x7fff) === 0) return bits & 0x8000 ? -0 : 0;
  const magnitude = (1 + (bits & 0x3ff) / 1024) * 2 ** (((bits >> 10) & 31) - 15);
  return bits & 0x8000 ? -magnitude : magnitude;
}
