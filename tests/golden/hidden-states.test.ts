import { describe, expect, it } from "vitest";
import { ENGINES, type EngineName } from "../../host/config/engine.ts";
import { embed } from "../../host/engine/embed.ts";
import { randomImage } from "../../host/engine/random-image.ts";
import { Session } from "../../host/engine/session.ts";
import { ReferenceModel, type TraceEntry } from "../../quant/eval/reference/model.ts";
import { rmsNorm } from "../../quant/eval/reference/norm.ts";
import { quantize8 } from "../../quant/eval/reference/quantize.ts";
import { randomModel } from "../../quant/eval/reference/random-model.ts";
import { platforms } from "../../quant/format/platform.ts";
import { characterCodec } from "../unit/host/engine/fake-session.ts";
import { emulatorBuilt, openEmulator } from "./emulator.ts";

const ids = Array.from({ length: 37 }, (_, i) => 1 + ((i * 37) % 127));

describe.skipIf(!emulatorBuilt).each(ENGINES)("hidden states on the %s engine (needs it built)", (engine) => {
  /** A model with more hidden values than tokens, and one with fewer. */
  const models = [
    randomModel(5, { sinks: 2, window: 40, config: { layers: 2, hiddenSize: 160, vocabSize: 128 } }),
    randomModel(6, { sinks: 2, window: 40, config: { layers: 3, hiddenSize: 64, vocabSize: 300 } }),
  ];

  async function open(model: (typeof models)[number], name: EngineName, trace = false): Promise<Session> {
    const device = await openEmulator("tiny", name);
    const image = randomImage(model, platforms.tiny!);
    return Session.open({ device, image, ownsDevice: true, trace });
  }

  it.each(models.map((model) => [model.config.hiddenSize, model] as const))(
    "are what the reference has after the last norm, bit for bit (%i values)",
    async (_, model) => {
      const reference = new ReferenceModel(model);
      const expected = ids.map((id, position) => {
        const outputs: TraceEntry[] = [];
        reference.step(id, position, {
          trace: (entry) => entry.operation === "add" && outputs.push(entry),
          wanted: "output",
        });
        return rmsNorm(outputs.at(-1)!.values, model.gain("model.norm.weight"), model.config.rmsNormEps);
      });
      const session = await open(model, engine);
      expect(await session.hiddenStates(ids)).toEqual(expected);
      session.reset();
      // Only those from a token on, which begins within a block.
      expect(await session.hiddenStates(ids, 19)).toEqual(expected.slice(19));
      await session.close();
    },
  );

  it("are what the kernel quantizes for the logits", async () => {
    const session = await open(models[0]!, engine, true);
    await session.logitsForAll(ids.slice(0, 16));
    const quantized = session
      .trace()
      .filter(({ layer, operation }) => layer === undefined && operation === "norm");
    session.reset();
    const states = await session.hiddenStates(ids.slice(0, 16));
    states.forEach((state, i) => {
      const { codes, scale } = quantize8(state);
      expect(quantized[i]!.values).toEqual(Float32Array.of(scale, ...codes));
    });
    // What was not run is not in the trace.
    const norms = () =>
      session.trace().filter(({ layer, operation }) => layer === undefined && operation === "norm");
    expect(norms()).toEqual([]);
    session.reset();
    expect(await session.hiddenStates(ids.slice(0, 16), 13)).toEqual(states.slice(13));
    expect(norms()).toEqual([]);
    const lastLayer = session.trace().filter(({ layer }) => layer === 1);
    const positions = (of: (entry: (typeof lastLayer)[number]) => boolean) =>
      lastLayer.filter(of).map(({ position }) => position);
    expect(positions(({ buffer }) => buffer === "v")).toEqual([...Array(16).keys()]);
    expect(positions(({ operation }) => operation === "attend")).toEqual([13, 14, 15]);
    // Both additions.
    expect(positions(({ buffer }) => buffer === "x")).toEqual([13, 14, 15, 13, 14, 15]);
    await session.close();
  });

  it("leave the cache as the forward pass does, and logits as they were", async () => {
    const session = await open(models[1]!, engine);
    const logits = await session.logitsForAll(ids);
    session.reset();
    await session.hiddenStates(ids.slice(0, 36));
    expect(await session.decode(ids[36]!)).toEqual(logits[36]);
    await session.close();
  });

  it("make embeddings: of the last token, of all, of length 1 or as they are", async () => {
    const session = await open(models[0]!, engine);
    const states = await session.hiddenStates(ids);
    const last = Array.from(states.at(-1)!);
    const mean = last.map((_, i) => states.reduce((sum, state) => sum + state[i]!, 0) / states.length);
    const unit = (v: readonly number[]) => v.map((x) => Math.fround(x / Math.hypot(...v)));
    const of = (options: Parameters<typeof embed>[3]) => embed(session, characterCodec, ids, options);
    const close = (found: Float32Array, wanted: readonly number[]) =>
      found.forEach((x, i) => void expect(x).toBeCloseTo(wanted[i]!, 6));
    expect(await of({ normalize: false })).toEqual(states.at(-1));
    close(await of({}), unit(last));
    close(await of({ pooling: "mean", normalize: false }), mean);
    close(await of({ pooling: "mean" }), unit(mean));
    await expect(embed(session, characterCodec, [])).rejects.toMatchObject({ code: "EMPTY_PROMPT" });
    await expect(of({ pooling: "first" as "last" })).rejects.toMatchObject({
      code: "BAD_OPTION",
      exitCode: 2,
    });
    await session.close();
  });
});
