import { describe, expect, it } from "vitest";
import { encodeDescriptors } from "../../../../host/engine/commands.ts";
import { disassemble } from "../../../../host/engine/disassembler.ts";
import { meanScale, scoreScale } from "../../../../host/engine/forward-pass.ts";
import { type PlanOptions, planMemory } from "../../../../host/engine/plan.ts";
import { platforms } from "../../../../quant/format/platform.ts";
import { imageHeader, smallShape } from "./memory-image.ts";

function listing(header: Parameters<typeof imageHeader>[1], options: PlanOptions = {}): string[] {
  const plan = planMemory(imageHeader({ ...smallShape, layers: 1 }, header), platforms.tiny!, options);
  return disassemble(encodeDescriptors(plan.forward.descriptors)).split("\n");
}

// Hidden 20, inner 36, 4 heads of 8 on 2 key-value heads, vocabulary 33; W2 on two channels. A matrix has
// ceil(rows/8) tiles a channel, each of one beat of scales and one of codes, and one beat of exponents in front.
describe("forwardPass", () => {
  it("is the forward pass of a Llama, offsets by hand", () => {
    expect(listing({ sinks: 2, window: 30 })).toEqual([
      "embed tableOffset=0 rowBeats=1 hidden=20 vocabulary=33",
      "norm gainOffset=33 length=20 epsilon=0.00001",
      "matmul flags=head weightOffset=0 rows=32 columns=20 format=w2 destination=q beats=9 biasOffset=0",
      "matmul weightOffset=9 rows=16 columns=20 format=w2 destination=k beats=5 biasOffset=0",
      "matmul weightOffset=14 rows=16 columns=20 format=w2 destination=v beats=5 biasOffset=0",
      "ropeKv flags=hadamard+centered kvOffset=0 kvHeads=2 headDim=8 sinks=2 window=30 ring=45 meanOffset=37",
      "attend flags=head+hadamard+centered kvOffset=0 kvHeads=2 headDim=8 sinks=2 window=30 ring=45 meanOffset=37 heads=4 scoreScale=0.044194173 meanScale=0.000010789922 distanceOffset=40 distanceBeats=1",
      "matmul flags=head weightOffset=19 rows=20 columns=32 format=w2 destination=y beats=7 biasOffset=0",
      "add flags=head length=20",
      "norm flags=head gainOffset=35 length=20 epsilon=0.00001",
      "matmul flags=head weightOffset=26 rows=36 columns=20 format=w2 destination=g beats=11 biasOffset=0",
      "matmul flags=head weightOffset=37 rows=36 columns=20 format=w2 destination=u beats=11 biasOffset=0",
      "siluMul flags=head length=36",
      "matmul flags=head weightOffset=48 rows=20 columns=36 format=w2 destination=y beats=7 biasOffset=0",
      "add flags=head length=20",
      "norm flags=head gainOffset=38 length=20 epsilon=0.00001",
      // io: job, 3 beats of status, 16 records of 2 beats, then the logits.
      "logits flags=head weightOffset=55 rows=33 columns=20 format=w2 ioOffset=36 beats=11 rowBeats=3",
    ]);
  });

  it("has no flags, no distance table and another score scale without rotation and centering", () => {
    const lines = listing({ hadamard: false, centered: false }, { sinks: 0, window: 4 });
    expect(lines[5]).toBe("ropeKv kvOffset=0 kvHeads=2 headDim=8 sinks=0 window=4 ring=19 meanOffset=0");
    expect(lines[6]).toContain("scoreScale=0.35355338");
    expect(lines[6]).toMatch(/distanceOffset=0 distanceBeats=0$/);
  });

  it("adds biases to the rows of q, k and v where the model has them", () => {
    const lines = listing({ biased: true });
    const biases = lines.flatMap(
      (line) =>
        /^matmul flags=(?:head\+)?biased .*destination=(\w) .*biasOffset=(\d+)$/.exec(line)?.slice(1) ?? [],
    );
    // Behind 33 embeddings and two gains of two beats: 32, 16 and 16 floats.
    expect(biases).toEqual(["q", "37", "k", "39", "v", "40"]);
    expect(lines.filter((line) => /^matmul (?!flags=.*biased)/.test(line))).toHaveLength(4);
  });

  it("does in the last layer no more than keys and values where no result is wanted", () => {
    const plan = planMemory(imageHeader({ ...smallShape, layers: 2 }), platforms.tiny!);
    const lines = disassemble(encodeDescriptors(plan.forward.descriptors)).split("\n");
    const norms = lines.flatMap((line, i) => (line.startsWith("norm") ? [i] : []));
    const everywhere = lines.flatMap((line, i) => (line.includes("flags=head") ? [] : [i]));
    const q = norms[2]! + 1;
    // The first layer, then the second one's norm, k, v and ropeKv.
    expect(everywhere).toEqual([...Array(q).keys(), q + 1, q + 2, q + 3]);
    expect([1, 2, 3].map((i) => lines[q + i]!.replace(/ .*(destination=\w).*/, " $1"))).toEqual([
      "matmul destination=k",
      "matmul destination=v",
      expect.stringMatching(/^ropeKv /),
    ]);
  });

  it("dumps what each descriptor has written, and the head's only where logits are wanted", () => {
    const lines = listing({}, { trace: true });
    const written = lines.map((line, i) => {
      const buffer = /destination=(\w)/.exec(line)?.[1];
      const operation = line.split(" ")[0]!;
      const target = buffer ?? { embed: "x", norm: "a", attend: "a", siluMul: "a", add: "x" }[operation];
      if (target === undefined) return true;
      const head = line.includes("flags=head") ? " flags=head" : "";
      return lines[i + 1]!.startsWith(`dump${head} buffer=${target} length=`);
    });
    expect(written).not.toContain(false);
    expect(lines.filter((line) => line.startsWith("dump")).length).toBe(15);
    expect(lines[3]).toMatch(/^dump buffer=a length=20 .* rowBeats=2$/);
  });

  it("gives layers their own stretch of the cache", () => {
    const plan = planMemory(imageHeader({ ...smallShape, layers: 3 }), platforms.tiny!);
    const offsets = plan.forward.descriptors.flatMap((d) =>
      d.operation === "attend" ? [d.fields.kvOffset] : [],
    );
    // 47 slots are 3 blocks of 2 beats; keys and values of 2 heads: 24 beats.
    expect(offsets).toEqual([0, 24, 48]);
    expect(plan.buffers.find((b) => b.argument === "kv0")?.bytes).toBe(3 * 24 * 64);
  });
});

describe("score and mean scales", () => {
  it.each([
    // headDim, 1 / (sqrt(D) h) with h the largest power of two that divides D, by hand
    [64, true, 1 / (8 * 64)],
    [64, false, 1 / 8],
    [16, true, 1 / (4 * 16)],
    [100, true, 1 / (10 * 4)],
    [36, true, 1 / (6 * 4)],
  ])("of head size %i, rotated %s", (headDim, hadamard, expected) => {
    expect(scoreScale(headDim, hadamard)).toBe(Math.fround(expected));
    expect(meanScale(headDim)).toBe(Math.fround(1 / (32767 * Math.sqrt(headDim))));
  });
});
