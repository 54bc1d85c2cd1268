import { describe, expect, test } from "vitest";
import { UsageError } from "../../../../../host/errors.ts";
import { fromFloat16 } from "../../../../../quant/eval/reference/float16.ts";
import {
  ReferenceModel,
  type ReferenceSpec,
  type TraceEntry,
} from "../../../../../quant/eval/reference/model.ts";
import { type RandomModel, randomModel } from "../../../../../quant/eval/reference/random-model.ts";
import { ropeFrequencies } from "../../../../../quant/format/rope.ts";
import { matrixLayout, rowExponentRange } from "../../../../../quant/format/weight-layout.ts";
import { emptyRows, packRows, unpackRows } from "../../../../../quant/format/weight-pack.ts";
import { pageKv, pageMatrix } from "../../page-layout.ts";
import { dot, type FloatLayer, floatLogits } from "./float-llama.ts";

/** Logits of the last of `tokens`; the first one is at position `start`. */
function lastLogits(spec: ReferenceSpec, tokens: readonly number[], start = 0): Float32Array {
  const model = new ReferenceModel(spec);
  let logits: Float32Array | undefined;
  tokens.forEach((token, i) => {
    logits = model.step(token, start + i);
  });
  return logits!;
}

function similarity(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const [x, y] = [Array.from(a), Array.from(b)];
  return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
}

function someTokens(model: RandomModel, count: number): number[] {
  return Array.from({ length: count }, (_, p) => (p * p + 3 * p + model.seed) % model.config.vocabSize);
}

function floatModelLogits(model: RandomModel, tokens: readonly number[], start = 0): number[] {
  const { config } = model;
  const matrix = (name: string): number[][] => {
    const { layout, channels } = model.matrix(`${name}.weight`);
    return pageMatrix(layout, channels);
  };
  const layers = Array.from({ length: config.layers }, (_, l): FloatLayer => {
    const name = `model.layers.${l}`;
    const biases = (["q", "k", "v", "o"] as const).flatMap((part) => {
      const bias = model.bias(`${name}.self_attn.${part}_proj.weight`);
      return bias === undefined ? [] : [[part, [...bias]] as const];
    });
    return {
      bias: Object.fromEntries(biases),
      q: matrix(`${name}.self_attn.q_proj`),
      k: matrix(`${name}.self_attn.k_proj`),
      v: matrix(`${name}.self_attn.v_proj`),
      o: matrix(`${name}.self_attn.o_proj`),
      gate: matrix(`${name}.mlp.gate_proj`),
      up: matrix(`${name}.mlp.up_proj`),
      down: matrix(`${name}.mlp.down_proj`),
      attentionGain: [...model.gain(`${name}.input_layernorm.weight`)],
      mlpGain: [...model.gain(`${name}.post_attention_layernorm.weight`)],
      keyMeans: Array.from({ length: config.kvHeads }, (_, h) => {
        const mean = model.keyMean(l) ?? new Float32Array(config.kvHeads * config.headDim);
        return [...mean.subarray(h * config.headDim, (h + 1) * config.headDim)];
      }),
    };
  });
  const frequencies = [...ropeFrequencies(config)];
  return floatLogits(
    { ...config, ...model, epsilon: config.rmsNormEps, frequencies, block: model.hadamard ? 16 : 1, start },
    layers,
    tokens.map((t) => Array.from(model.embeddingRow(t), fromFloat16)),
    [...model.gain("model.norm.weight")],
    matrix("lm_head"),
  );
}

describe("ReferenceModel", () => {
  test("is the textbook Llama on the dequantized weights and a 4-bit cache, within what A8 loses", () => {
    const similarities = Array.from({ length: 12 }, (_, seed) => {
      const model = randomModel(seed, { config: { headDim: 16, layers: 2, attentionBias: "none" } });
      const tokens = someTokens(model, 45);
      return similarity(floatModelLogits(model, tokens), lastLogits(model, tokens));
    });
    expect(Math.min(...similarities)).toBeGreaterThan(0.97);
    expect(similarities.reduce((a, b) => a + b) / similarities.length).toBeGreaterThan(0.99);
  });

  test.each(["qkv", "all"] as const)("adds the biases of %s as the textbook does", (attentionBias) => {
    const model = randomModel(3, { config: { headDim: 16, layers: 2, attentionBias } });
    const tokens = someTokens(model, 30);
    const logits = lastLogits(model, tokens);
    expect(similarity(floatModelLogits(model, tokens), logits)).toBeGreaterThan(0.98);
    const without = lastLogits({ ...model, bias: () => undefined }, tokens);
    expect(similarity(without, logits)).toBeLessThan(0.9);
  });

  test("a trace has every operation in the order of the command stream", () => {
    const model = randomModel(5, { config: { layers: 2 } });
    const trace: TraceEntry[] = [];
    const logits = new ReferenceModel(model).step(1, 0, { trace: (entry) => trace.push(entry) });
    const layer =
      "norm.a matmul.q matmul.k matmul.v attend.a matmul.y add.x norm.a matmul.g matmul.u siluMul.a matmul.y add.x";
    const names = trace.map((entry) => `${entry.operation}.${entry.buffer}`).join(" ");
    expect(names).toBe(`embed.x ${layer} ${layer} norm.a logits.logits`);
    expect(trace.map((entry) => entry.layer)).toEqual([
      undefined,
      ...Array.from({ length: 13 }, () => 0),
      ...Array.from({ length: 13 }, () => 1),
      undefined,
      undefined,
    ]);
    expect(trace.at(-1)!.values).toEqual(logits);
    for (const { buffer, values, codes, scale } of trace) {
      if (buffer === "a") expect([...values]).toEqual([scale, ...codes!]);
      else expect(codes).toBeUndefined();
    }
    const { config } = model;
    const length = (buffer: string): number => trace.find((entry) => entry.buffer === buffer)!.values.length;
    expect([length("x"), length("q"), length("k"), length("u"), length("logits")]).toEqual([
      config.hiddenSize,
      config.heads * config.headDim,
      config.kvHeads * config.headDim,
      config.intermediateSize,
      config.vocabSize,
    ]);
  });

  test("shared kv heads give the bits of a model with each kv head written out for its queries", () => {
    const kv = { heads: 6, kvHeads: 2, headDim: 10, layers: 1 };
    for (const seed of [1, 2, 3, 4]) {
      const model = randomModel(seed, { config: kv });
      const spread = (name: string): boolean => /[kv]_proj/.test(name);
      const repeatThrice = (values: Float32Array): Float32Array =>
        Float32Array.from({ length: 60 }, (_, i) => values[Math.floor(i / 30) * 10 + (i % 10)]!);
      const written: ReferenceSpec = {
        ...model,
        config: { ...model.config, kvHeads: 6 },
        matrix: (name) => (spread(name) ? repeatHeads(model, name, 3) : model.matrix(name)),
        bias: (name) => {
          const bias = model.bias(name);
          return bias && spread(name) ? repeatThrice(bias) : bias;
        },
        keyMean: (layer) => {
          const mean = model.keyMean(layer);
          return mean && repeatThrice(mean);
        },
      };
      const tokens = someTokens(model, 30);
      expect(lastLogits(written, tokens)).toEqual(lastLogits(model, tokens));
    }
  });

  test("KV heads go round the channels, codes and scales where the page says", () => {
    const model = randomModel(9, {
      kvChannels: 2,
      sinks: 3,
      window: 8,
      hadamard: false,
      centered: false,
      config: { kvHeads: 3, heads: 3, headDim: 6, layers: 2 },
    });
    const reference = new ReferenceModel(model);
    const values: Float32Array[] = [];
    for (let p = 0; p < 40; p++) {
      const trace = ({ buffer, layer, values: v }: TraceEntry): void => {
        if (buffer === "v" && layer === 1) values[p] = v;
      };
      reference.step(p % model.config.vocabSize, p, { trace, wanted: "output" });
    }
    const shape = { ...model, kvHeads: 3, headDim: 6 };
    const channels = [0, 1].map((channel) => reference.kvBytes(1, channel));
    for (const p of [0, 2, 30, 39]) {
      for (let head = 0; head < 3; head++) {
        const raw = values[p]!.subarray(6 * head, 6 * head + 6);
        const step = (Math.max(...raw) - Math.min(...raw)) / 15;
        pageKv(shape, channels, head, "value", p).forEach((v, i) => {
          expect(Math.abs(v - raw[i]!)).toBeLessThan(0.51 * step + 0.002);
        });
      }
    }
    const third = pageKv(shape, channels, 3, "value", 30);
    expect(third).toEqual([0, 0, 0, 0, 0, 0]);
    expect(channels[0]).toHaveLength(2 * 2 * 2 * 64 * 2);
  });

  test("reset gives a fresh model, and steps leave the packed weights alone", () => {
    const model = randomModel(12);
    const reference = new ReferenceModel(model);
    const tokens = someTokens(model, 20);
    const run = (): (Float32Array | undefined)[] => tokens.map((t, p) => reference.step(t, p));
    const first = run();
    reference.reset();
    expect(reference.kvBytes(0, 0).every((byte) => byte === 0)).toBe(true);
    expect(run()).toEqual(first);
  });

  test("so it is at positions four million out", () => {
    for (const seed of [1, 2, 3]) {
      // One layer and a window full of what was written, so that nothing before the first token has a say.
      const model = randomModel(seed, { sinks: 0, window: 10, config: { headDim: 16, layers: 1 } });
      const tokens = someTokens(model, 14);
      const far = lastLogits(model, tokens, 4_194_304);
      expect(similarity(floatModelLogits(model, tokens, 4_194_304), far)).toBeGreaterThan(0.99);
    }
  });

  test("an infinity is reported and the run goes on", () => {
    const model = randomModel(2);
    const gain = (name: string): Float32Array => {
      const values = model.gain(name).slice();
      if (name.includes("layers.0.input")) values[0] = Number.POSITIVE_INFINITY;
      return values;
    };
    const reference = new ReferenceModel({ ...model, gain });
    const logits = reference.step(0, 0)!;
    expect(reference.nonFinite).toBe(true);
    expect(logits.every(Number.isFinite)).toBe(true);
    reference.reset();
    expect(reference.nonFinite).toBe(false);
  });

  test("queries that overflow are reported where attention quantizes them", () => {
    const model = randomModel(2, { config: { layers: 1 } });
    const gain = (name: string): Float32Array =>
      name.includes("input_layernorm") ? model.gain(name).map((x) => x * 1e28) : model.gain(name);
    const matrix = (name: string) =>
      name.includes("q_proj") ? largestExponents(model, name) : model.matrix(name);
    const finite = new ReferenceModel({ ...model, gain });
    const overflowing = new ReferenceModel({ ...model, gain, matrix });
    for (const reference of [finite, overflowing]) reference.step(0, 0);
    expect([finite.nonFinite, overflowing.nonFinite]).toEqual([false, true]);
  });

  test("a token outside the vocabulary is refused", () => {
    const model = randomModel(2);
    const reference = new ReferenceModel(model);
    for (const token of [-1, model.config.vocabSize, 0.5]) {
      expect(() => reference.step(token, 0)).toThrow(UsageError);
    }
  });
});

/** The k or v matrix with every kv head repeated `times` times. */
function repeatHeads(model: RandomModel, name: string, times: number) {
  const { layout, channels } = model.matrix(name);
  const { headDim } = model.config;
  const from = unpackRows(layout, channels, 0, layout.rows);
  const wide = matrixLayout(layout.format, layout.rows * times, layout.columns, layout.channels);
  const to = emptyRows(wide, wide.rows);
  const copy = <T extends Uint8Array | Uint16Array | Int8Array>(a: T, b: T, per: number): void => {
    for (let row = 0; row < wide.rows; row++) {
      const source = Math.floor(row / (headDim * times)) * headDim + (row % headDim);
      for (let i = 0; i < per; i++) b[row * per + i] = a[source * per + i]!;
    }
  };
  copy(from.codes, to.codes, layout.groups * 64);
  if (from.patterns) copy(from.patterns, to.patterns!, layout.groups * 16);
  copy(from.scales, to.scales, layout.groups);
  copy(from.zeroHalves, to.zeroHalves, layout.groups);
  copy(from.exponents, to.exponents, 1);
  const bytes = channels.map(() => new Uint8Array(wide.beats * 64));
  packRows(wide, to, 0, bytes, 0);
  return { layout: wide, channels: bytes };
}

/** The matrix with every row's exponent at the top of its range. */
function largestExponents(model: RandomModel, name: string) {
  const { layout, channels } = model.matrix(name);
  const rows = unpackRows(layout, channels, 0, layout.rows);
  rows.exponents.fill(rowExponentRange.most);
  const bytes = channels.map((channel) => new Uint8Array(channel.length));
  packRows(layout, rows, 0, bytes, 0);
  return { layout, channels: bytes };
}
