import { UsageError } from "../../../host/errors.ts";
import type { ActivationBuffer, Operation } from "../../format/command.ts";
import { kvLayout } from "../../format/kv-layout.ts";
import type { ModelConfig } from "../../format/model.ts";
import { ropeFrequencies } from "../../format/rope.ts";
import type { MatrixLayout } from "../../format/weight-layout.ts";
import { type AttendContext, attendHead, attentionBlock, sinkQueryPosition } from "./attend.ts";
import { fromFloat16 } from "./float16.ts";
import { fl } from "./fround.ts";
import { hadamard } from "./hadamard.ts";
import { KvCache } from "./kv-cache.ts";
import { kv4 } from "./kv4.ts";
import { matmul, type ReferenceMatrix, referenceMatrix } from "./matmul.ts";
import { rmsNorm } from "./norm.ts";
import { quantize8 } from "./quantize.ts";
import { type DistanceTable, distanceTable, type Rotation, rope, rotationAt } from "./rope.ts";
import { siluMul } from "./silu.ts";

/** A quantized model as the reference takes it; names are Hugging Face's. */
export interface ReferenceSpec {
  readonly config: ModelConfig;
  readonly hadamard: boolean;
  readonly sinks: number;
  readonly window: number;
  readonly kvChannels: number;
  /** A tensor's bytes in every weight channel, from its beat 0. */
  matrix(name: string): { readonly layout: MatrixLayout; readonly channels: readonly Uint8Array[] };
  gain(name: string): Float32Array;
  /** By its matrix's name; undefined where that has none. */
  bias(matrix: string): Float32Array | undefined;
  /** float16 bits of a token's embedding, hiddenSize of them. */
  embeddingRow(token: number): Uint16Array;
  /** [kvHeads * headDim], or undefined where the layer's keys are not centred. */
  keyMean(layer: number): Float32Array | undefined;
}

/** What an operation left in its destination. */
export interface TraceEntry {
  readonly operation: Operation;
  /** Undefined outside the layers. */
  readonly layer: number | undefined;
  readonly buffer: ActivationBuffer | "logits";
  /** What `dump` writes of the buffer: its numbers; for `a` the scale and then the codes. */
  readonly values: Float32Array;
  /** Buffer `a` only. */
  readonly codes?: Int8Array;
  readonly scale?: number;
}

export interface StepOptions {
  readonly trace?: (entry: TraceEntry) => void;
  /**
   * What is wanted of the token: its logits (default), the last layer's output, or no more than what later tokens need,
   * its keys and values.
   */
  readonly wanted?: "logits" | "output" | "cache";
}

interface Layer {
  readonly matrices: Readonly<Record<"q" | "k" | "v" | "o", BiasedMatrix>> &
    Readonly<Record<"g" | "u" | "d", ReferenceMatrix>>;
  readonly attentionGain: Float32Array;
  readonly mlpGain: Float32Array;
  readonly keyMean: Float32Array | undefined;
  readonly cache: KvCache;
}

interface BiasedMatrix extends ReferenceMatrix {
  readonly bias: Float32Array | undefined;
}

interface Activations {
  readonly codes: Int8Array;
  readonly scale: number;
}

/** Runs a model token by token as docs/numerics.md says, bit for bit what kernel and emulator give. */
export class ReferenceModel {
  readonly #spec: ReferenceSpec;
  readonly #layers: readonly Layer[];
  readonly #finalGain: Float32Array;
  readonly #head: ReferenceMatrix;
  readonly #frequencies: Float64Array;
  readonly #distances: DistanceTable;
  #nonFinite = false;

  constructor(spec: ReferenceSpec) {
    const { config, sinks, window } = spec;
    this.#spec = spec;
    this.#layers = Array.from({ length: config.layers }, (_, layer) => readLayer(spec, layer));
    this.#finalGain = spec.gain("model.norm.weight");
    this.#head = readMatrix(spec, "lm_head.weight");
    this.#frequencies = ropeFrequencies(config);
    this.#distances = distanceTable(sinks + window, this.#frequencies);
  }

  /** Whether an infinite or NaN activation was met since construction or {@link reset}. */
  get nonFinite(): boolean {
    return this.#nonFinite;
  }

  /** Empties the KV cache. */
  reset(): void {
    this.#nonFinite = false;
    for (const { cache } of this.#layers) cache.clear();
  }

  /** The layer's region of a KV channel as the device holds it; bytes that nothing wrote are zero. */
  kvBytes(layer: number, channel: number): Uint8Array {
    return this.#layers[layer]!.cache.bytes(channel);
  }

  /**
   * Runs one token through the model.
   * @param position counts from 0; the tokens of a sequence come in order.
   * @returns vocabSize logits, or undefined where they are not wanted.
   * @throws UsageError for a token outside the vocabulary.
   */
  step(token: number, position: number, options: StepOptions = {}): Float32Array | undefined {
    const { config } = this.#spec;
    const { trace, wanted = "logits" } = options;
    if (!Number.isInteger(token) || token < 0 || token >= config.vocabSize) {
      throw new UsageError("TOKEN_RANGE", `Token ${token} is not in the vocabulary of ${config.vocabSize}.`);
    }
    const run = new TokenRun(trace, undefined);
    let x: Float32Array = Float32Array.from(this.#spec.embeddingRow(token), fromFloat16);
    run.put("embed", "x", x);
    const context = this.#attendContext(position);
    this.#layers.forEach((layer, index) => {
      const inLayer = new TokenRun(trace, index);
      const a = inLayer.quantize("norm", rmsNorm(x, layer.attentionGain, config.rmsNormEps));
      if (wanted === "cache" && index + 1 === config.layers) {
        this.#writeKv(inLayer, layer, a, context);
      } else {
        x = this.#attention(inLayer, layer, x, a, context);
        x = this.#mlp(inLayer, layer, x);
      }
      this.#nonFinite ||= inLayer.nonFinite;
    });
    if (wanted !== "logits") return undefined;
    const a = run.quantize("norm", rmsNorm(x, this.#finalGain, config.rmsNormEps));
    this.#nonFinite ||= run.nonFinite;
    return run.put("logits", "logits", matmul(this.#head, a.codes, a.scale));
  }

  #attendContext(position: number): AttendContext {
    const { config, sinks, window } = this.#spec;
    const rotationOf = (at: number): Rotation => rotationAt(at, this.#frequencies);
    return {
      position,
      sinks,
      window,
      ring: kvLayout(config, sinks, window, this.#spec.kvChannels).ring,
      block: attentionBlock(config.headDim, this.#spec.hadamard),
      rotation: rotationOf(position),
      sinkRotation: rotationOf(sinkQueryPosition(position, sinks, window)),
      distances: this.#distances,
    };
  }

  #attention(
    run: TokenRun,
    layer: Layer,
    x: Float32Array,
    a: Activations,
    context: AttendContext,
  ): Float32Array {
    const { q, o } = layer.matrices;
    const queries = run.put("matmul", "q", matmul(q, a.codes, a.scale, q.bias));
    this.#writeKv(run, layer, a, context);
    const mixed = run.quantize("attend", this.#attend(run, layer, queries, context));
    const y = run.put("matmul", "y", matmul(o, mixed.codes, mixed.scale, o.bias));
    return run.put("add", "x", add(x, y));
  }

  /** Keys and values of the token into the cache: docs/numerics.md, "ropeKv". */
  #writeKv(run: TokenRun, layer: Layer, a: Activations, context: AttendContext): void {
    const { kvHeads, headDim } = this.#spec.config;
    const { matrices } = layer;
    const k = run.put("matmul", "k", matmul(matrices.k, a.codes, a.scale, matrices.k.bias));
    const v = run.put("matmul", "v", matmul(matrices.v, a.codes, a.scale, matrices.v.bias));
    for (let head = 0; head < kvHeads; head++) {
      const from = head * headDim;
      const mean = layer.keyMean?.subarray(from, from + headDim);
      const raw = k.subarray(from, from + headDim);
      const centred = mean ? raw.map((value, i) => fl(value - mean[i]!)) : raw;
      const key = kv4(hadamard(rope(centred, context.rotation), context.block));
      const value = kv4(hadamard(v.subarray(from, from + headDim), context.block));
      if (!key.finite || !value.finite) run.nonFinite = true;
      layer.cache.write(head, context.position, key, value);
    }
  }

  #attend(run: TokenRun, layer: Layer, q: Float32Array, context: AttendContext): Float32Array {
    const { heads, kvHeads, headDim } = this.#spec.config;
    const out = new Float32Array(heads * headDim);
    for (let h = 0; h < heads; h++) {
      const kvHead = Math.floor((h * kvHeads) / heads);
      const mean = layer.keyMean?.subarray(kvHead * headDim, (kvHead + 1) * headDim);
      const query = q.subarray(h * headDim, (h + 1) * headDim);
      const { values, finite } = attendHead(query, layer.cache.heads[kvHead]!, mean, context);
      if (!finite) run.nonFinite = true;
      out.set(values, h * headDim);
    }
    return out;
  }

  #mlp(run: TokenRun, layer: Layer, x: Float32Array): Float32Array {
    const { g, u, d } = layer.matrices;
    const a = run.quantize("norm", rmsNorm(x, layer.mlpGain, this.#spec.config.rmsNormEps));
    const gates = run.put("matmul", "g", matmul(g, a.codes, a.scale));
    const ups = run.put("matmul", "u", matmul(u, a.codes, a.scale));
    const m = run.quantize("siluMul", siluMul(gates, ups));
    const y = run.put("matmul", "y", matmul(d, m.codes, m.scale));
    return run.put("add", "x", add(x, y));
  }
}

/** Trace and status of one token in one layer (or outside of the layers). */
class TokenRun {
  nonFinite = false;
  readonly #trace: ((entry: TraceEntry) => void) | undefined;
  readonly #layer: number | undefined;

  constructor(trace: ((entry: TraceEntry) => void) | undefined, layer: number | undefined) {
    this.#trace = trace;
    this.#layer = layer;
  }

  put(operation: Operation, buffer: TraceEntry["buffer"], values: Float32Array): Float32Array {
    this.#trace?.({ operation, layer: this.#layer, buffer, values });
    return values;
  }

  quantize(operation: Operation, values: Float32Array): Activations {
    const { codes, scale, finite } = quantize8(values);
    if (!finite) this.nonFinite = true;
    this.#trace?.({
      operation,
      layer: this.#layer,
      buffer: "a",
      values: Float32Array.of(scale, ...codes),
      codes,
      scale,
    });
    return { codes, scale };
  }
}

function add(x: Float32Array, y: Float32Array): Float32Array {
  return x.map((value, i) => fl(value + y[i]!));
}

function readMatrix(spec: ReferenceSpec, name: string): ReferenceMatrix {
  const { layout, channels } = spec.matrix(name);
  return referenceMatrix(layout, channels);
}

function readLayer(spec: ReferenceSpec, index: number): Layer {
  const { config, sinks, window, kvChannels } = spec;
  const name = `model.layers.${index}`;
  const matrix = (part: string): ReferenceMatrix => readMatrix(spec, `${name}.${part}.weight`);
  const biased = (part: string): BiasedMatrix => ({
    ...matrix(part),
    bias: spec.bias(`${name}.${part}.weight`),
  });
  return {
    matrices: {
      q: biased("self_attn.q_proj"),
      k: biased("self_attn.k_proj"),
      v: biased("self_attn.v_proj"),
      o: biased("self_attn.o_proj"),
      g: matrix("mlp.gate_proj"),
      u: matrix("mlp.up_proj"),
      d: matrix("mlp.down_proj"),
    },
    attentionGain: spec.gain(`${name}.input_layernorm.weight`),
    mlpGain: spec.gain(`${name}.post_attention_layernorm.weight`),
    keyMean: spec.keyMean(index),
    cache: new KvCache(kvLayout(config, sinks, window, kvChannels), config, sinks),
  };
}
