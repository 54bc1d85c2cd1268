/**
 * A Llama in doubles on plain arrays, the textbook way: what the reference is held against within a tolerance. Its
 * attention is StreamingLLM's own formulation: keys are kept without position and get the place that they have in
 * the cache at the moment.
 */
export function rotate(v: readonly number[], position: number, frequencies: readonly number[]): number[] {
  const half = v.length / 2;
  return v.map((_, i) => {
    const pair = i % half;
    const angle = position * frequencies[pair]!;
    const [re, im] = [v[pair]!, v[pair + half]!];
    return i < half
      ? re * Math.cos(angle) - im * Math.sin(angle)
      : im * Math.cos(angle) + re * Math.sin(angle);
  });
}

export function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, x, i) => sum + x * b[i]!, 0);
}

/**
 * @param keys by position, not rotated; the last one is the current token's.
 * @param window counts the current token.
 */
export function streamingAttention(
  q: readonly number[],
  keys: readonly (readonly number[])[],
  values: readonly (readonly number[])[],
  sinks: number,
  window: number,
  frequencies: readonly number[],
): number[] {
  const all = [...keys.keys()];
  const kept = all.filter((j) => j < sinks || j > keys.length - 1 - window);
  const query = rotate(q, kept.length - 1, frequencies);
  const scores = kept.map(
    (j, place) => dot(query, rotate(keys[j]!, place, frequencies)) / Math.sqrt(q.length),
  );
  const largest = Math.max(...scores);
  const weights = scores.map((s) => Math.exp(s - largest));
  const total = weights.reduce((a, b) => a + b);
  return q.map((_, i) => kept.reduce((sum, j, n) => sum + (weights[n]! / total) * values[j]![i]!, 0));
}

export interface FloatLayer {
  readonly q: number[][];
  readonly k: number[][];
  readonly v: number[][];
  readonly o: number[][];
  readonly gate: number[][];
  readonly up: number[][];
  readonly down: number[][];
  /** Added to what q, k, v and o give; absent where there is none. */
  readonly bias?: { readonly [part in "q" | "k" | "v" | "o"]?: readonly number[] };
  readonly attentionGain: readonly number[];
  readonly mlpGain: readonly number[];
  /** [kvHeads][headDim]. */
  readonly keyMeans: readonly (readonly number[])[];
}

export interface FloatShape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly epsilon: number;
  readonly sinks: number;
  readonly window: number;
  readonly frequencies: readonly number[];
  /** Hadamard block of the cache; null for one that keeps its floats. */
  readonly block: number | null;
  /** Position of the first token. */
  readonly start: number;
}

/** v times Sylvester's matrix in blocks of h; twice is h times v. */
export function rotateBlocks(v: readonly number[], h: number): number[] {
  return v.map((_, i) => {
    const start = Math.floor(i / h) * h;
    let sum = 0;
    for (let j = 0; j < h; j++) sum += (oddBits((i - start) & j) ? -1 : 1) * v[start + j]!;
    return sum;
  });
}

function oddBits(n: number): boolean {
  return n.toString(2).replaceAll("0", "").length % 2 === 1;
}

/** What sixteen levels between the least and the largest element leave of a vector rotated in blocks of h. */
function throughInt4(v: readonly number[], h: number | null): readonly number[] {
  if (h === null) return v;
  const rotated = rotateBlocks(v, h);
  const least = Math.min(...rotated);
  const step = (Math.max(...rotated) - least) / 15;
  const stored = rotated.map((x) => (step === 0 ? x : Math.round((x - least) / step) * step + least));
  return rotateBlocks(stored, h).map((x) => x / h);
}

/** What the cache gives back of a key: rotated to its position less its mean, in 4 bits. */
function cachedKey(
  k: readonly number[],
  mean: readonly number[],
  position: number,
  shape: FloatShape,
): number[] {
  const centred = k.map((x, i) => x - mean[i]!);
  const stored = throughInt4(rotate(centred, position, shape.frequencies), shape.block);
  return rotate(stored, -position, shape.frequencies).map((x, i) => x + mean[i]!);
}

const times = (
  matrix: readonly (readonly number[])[],
  v: readonly number[],
  bias?: readonly number[],
): number[] => matrix.map((row, r) => dot(row, v) + (bias?.[r] ?? 0));
const plus = (a: readonly number[], b: readonly number[]): number[] => a.map((x, i) => x + b[i]!);
const pieces = (v: readonly number[], size: number): number[][] =>
  Array.from({ length: v.length / size }, (_, h) => v.slice(h * size, (h + 1) * size));

function norm(x: readonly number[], gain: readonly number[], epsilon: number): number[] {
  const r = 1 / Math.sqrt(dot(x, x) / x.length + epsilon);
  return x.map((v, i) => v * r * gain[i]!);
}

/** Runs a whole sequence with nothing quantized but the cache, if that; @returns the logits of its last token. */
export function floatLogits(
  shape: FloatShape,
  layers: readonly FloatLayer[],
  embeddings: readonly (readonly number[])[],
  finalGain: readonly number[],
  head: readonly (readonly number[])[],
): number[] {
  let xs = embeddings.map((row) => [...row]);
  for (const layer of layers) {
    const inputs = xs.map((x) => norm(x, layer.attentionGain, shape.epsilon));
    const keys = inputs.map((a, p) =>
      pieces(times(layer.k, a, layer.bias?.k), shape.headDim).map((k, h) =>
        cachedKey(k, layer.keyMeans[h]!, shape.start + p, shape),
      ),
    );
    const values = inputs.map((a) =>
      pieces(times(layer.v, a, layer.bias?.v), shape.headDim).map((v) => throughInt4(v, shape.block)),
    );
    xs = xs.map((x, p) => {
      const heads = pieces(times(layer.q, inputs[p]!, layer.bias?.q), shape.headDim).map((q, h) => {
        const shared = Math.floor(h / (shape.heads / shape.kvHeads));
        const past = (of: (readonly number[])[][]): (readonly number[])[] =>
          of.slice(0, p + 1).map((token) => token[shared]!);
        return streamingAttention(q, past(keys), past(values), shape.sinks, shape.window, shape.frequencies);
      });
      const y = plus(x, times(layer.o, heads.flat(), layer.bias?.o));
      const a = norm(y, layer.mlpGain, shape.epsilon);
      const up = times(layer.up, a);
      const m = times(layer.gate, a).map((g, i) => (g / (1 + Math.exp(-g))) * up[i]!);
      return plus(y, times(layer.down, m));
    });
  }
  return times(head, norm(xs.at(-1)!, finalGain, shape.epsilon));
}
