import { InterruptedError } from "../../host/errors.ts";
import { Random } from "../eval/reference/random.ts";
import type { NativeModel, Rates } from "../native/native-model.ts";

/** How the sequences are used. */
export interface TrainingSet {
  /** Indices of the sequences that are trained on. */
  readonly train: Int32Array;
  /** Indices of those that only judge. */
  readonly heldOut: Int32Array;
}

/** One stretch of training. */
export interface Schedule {
  /** Times that every sequence is seen. */
  readonly epochs: number;
  /** Sequences of one step. */
  readonly batch: number;
  /** Highest learning rates; they rise over the first steps and fall to nothing by half a cosine. */
  readonly rates: Rates;
  readonly seed: number;
  /** Called after every step with the part done and the loss; may throw to stop. */
  readonly onStep: (part: number, loss: number) => void;
  readonly signal?: AbortSignal | undefined;
  /** Keeps the state after every epoch; absent where a killed run is to begin anew. */
  readonly checkpoints?: TrainingCheckpoints | undefined;
}

/** Where training writes its state, and what an earlier run left. */
export interface TrainingCheckpoints {
  readonly done: (TrainingResult & { readonly epochs: number }) | undefined;
  /** Puts the model back to what it was after `done`. */
  load(): Promise<void>;
  store(state: TrainingResult & { readonly epochs: number }): Promise<void>;
}

/** Loss on the held-out sequences before training and at its best. */
export interface TrainingResult {
  readonly before: number;
  readonly best: number;
}

/** Every n-th sequence is held out, at least one; the rest are trained on. */
export function splitSequences(count: number, every = 16): TrainingSet {
  const all = Array.from({ length: count }, (_, i) => i);
  const held = (i: number) => i % every === Math.min(every, count) - 1;
  return { train: Int32Array.from(all.filter((i) => !held(i))), heldOut: Int32Array.from(all.filter(held)) };
}

/**
 * Trains a layer on its float counterpart's outputs, or the whole model on the float model's predictions, and keeps
 * what was best on the held-out sequences; where nothing was better, what was there before.
 * @param layer its index, or wholeModel.
 * @throws InterruptedError.
 */
export async function train(
  model: NativeModel,
  layer: number,
  set: TrainingSet,
  schedule: Schedule,
): Promise<TrainingResult> {
  const { epochs, batch, rates, seed, onStep, signal, checkpoints } = schedule;
  const done = checkpoints?.done;
  model.prepare(layer);
  model.save(layer);
  if (done !== undefined) await checkpoints?.load();
  const before = done?.before ?? (await model.loss(layer, set.heldOut));
  let best = done?.best ?? before;
  const random = new Random(seed);
  const order = Int32Array.from(set.train);
  const perEpoch = Math.ceil(order.length / batch);
  const steps = epochs * perEpoch;
  for (let epoch = 0; epoch < epochs; epoch++) {
    shuffle(order, random);
    if (done !== undefined && epoch < done.epochs) continue;
    for (let i = 0; i < perEpoch; i++) {
      if (signal?.aborted === true)
        throw new InterruptedError("Quantizing was interrupted; with --resume it goes on.");
      const step = epoch * perEpoch + i;
      const sequences = order.slice(i * batch, (i + 1) * batch);
      const loss = await model.train(layer, sequences, step + 1, scaled(rates, rateFactor(step, steps)));
      onStep((step + 1) / steps, loss);
    }
    const now = await model.loss(layer, set.heldOut);
    if (now < best) {
      best = now;
      model.save(layer);
    }
    await checkpoints?.store({ before, best, epochs: epoch + 1 });
  }
  model.restore(layer);
  return { before, best };
}

/** Linear over the first twentieth of the steps, then half a cosine down to nothing. */
function rateFactor(step: number, steps: number): number {
  const warmUp = Math.max(1, steps / 20);
  if (step < warmUp) return (step + 1) / (warmUp + 1);
  return 0.5 + 0.5 * Math.cos((Math.PI * (step - warmUp)) / (steps - warmUp));
}

function scaled(rates: Rates, factor: number): Rates {
  const { position, scale, gain, embedding, head } = rates;
  return {
    position: position * factor,
    scale: scale * factor,
    gain: gain * factor,
    embedding: embedding * factor,
    head: head * factor,
  };
}

function shuffle(order: Int32Array, random: Random): void {
  for (let i = order.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    const kept = order[i]!;
    order[i] = order[j]!;
    order[j] = kept;
  }
}
