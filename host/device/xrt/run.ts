import { DeviceError, InterruptedError } from "../../errors.ts";
import type { KernelArguments, RunOptions } from "../device.ts";
import { type Handle, runStates } from "./binding.ts";
import type { XrtDevice } from "./device.ts";
import { deviceFailed, deviceLost } from "./failure.ts";

export const defaultTimeoutMs = 60_000;
/** How long one wait blocks a thread of the pool: the longest that a cancellation may go unnoticed. */
const sliceMs = 20;
/** The same for a run that is expected to take longer, so that it ends within one wait. */
export const longestSliceMs = 50;
/** A run that took less the last time is waited for where it was started: another thread would take as long to wake. */
const shortMs = 1;
/** How long the event loop may be kept waiting by short runs in a row. */
const turnMs = 10;
/** How long a run that was told to end may take to do so. */
const abortGraceMs = 1_000;
/** How long an interrupted run may take to complete where the library cannot abort it. */
const interruptGraceMs = 120;

const finalStates: ReadonlySet<number> = new Set([
  runStates.completed,
  runStates.error,
  runStates.abort,
  runStates.timeout,
  runStates.noResponse,
]);

/** One wait of at most `milliseconds` on a thread of the pool. */
function waitSlice(device: XrtDevice, run: Handle, milliseconds: number): Promise<number> {
  return new Promise((resolve, reject) => {
    device.library.xrt.xrtRunWaitFor.async(run, Math.max(1, Math.ceil(milliseconds)), (error, state) =>
      error ? reject(error) : resolve(state),
    );
  });
}

/**
 * What a slice's end says.
 * @returns the run's final state; undefined where it goes on
 */
function finalState(device: XrtDevice, run: Handle, state: number): number | undefined {
  lastTurn = performance.now();
  if (device.closed) throw closedMeanwhile();
  if (state === runStates.completed) return state;
  if (state !== runStates.timeout) return finalStates.has(state) ? state : undefined;
  // The slice's end and the card's own time-out have the same number; only the latter is the run's state.
  return device.library.xrt.xrtRunState(run) === runStates.timeout ? state : undefined;
}

/** Waits until the run's state is final or `until` (performance.now()) has passed; undefined in the latter case. */
async function waitUntil(
  device: XrtDevice,
  run: Handle,
  until: number,
  slice: number,
  stop: () => boolean,
): Promise<number | undefined> {
  for (;;) {
    const left = until - performance.now();
    if (left <= 0 || stop()) return undefined;
    const state = finalState(device, run, await waitSlice(device, run, Math.min(slice, left)));
    if (state !== undefined) return state;
  }
}

/** Ends a run that is to end early. True when it has ended; the device is closed when it cannot be ended. */
async function endEarly(device: XrtDevice, run: Handle, graceMs: number): Promise<boolean> {
  const { emulator } = device.library;
  if (emulator !== undefined) emulator.accllmEmuRunAbort(run);
  const grace = emulator === undefined ? graceMs : abortGraceMs;
  const state = await waitUntil(device, run, performance.now() + grace, sliceMs, () => false);
  if (state === undefined) device.close();
  return state !== undefined;
}

let lastTurn = 0;

/**
 * Waits for a run that is expected to be short, at most a millisecond.
 * @returns its final state; undefined where it goes on
 */
function waitHere(device: XrtDevice, run: Handle): number | undefined {
  const state = device.library.xrt.xrtRunWaitFor(run, shortMs);
  return state !== runStates.timeout && finalStates.has(state) ? state : undefined;
}

/** Lets the event loop turn. @throws DeviceError where the device was closed in that turn */
async function turn(device: XrtDevice): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  lastTurn = performance.now();
  if (device.closed) throw closedMeanwhile();
}

/** Waits for another run to end, however it does. @throws DeviceError where the device was closed meanwhile */
async function endOf(run: Promise<unknown>, device: XrtDevice): Promise<void> {
  await run.catch(() => {});
  if (device.closed) throw closedMeanwhile();
}

function closedMeanwhile(): DeviceError {
  return new DeviceError("DEVICE_CLOSED", "The device was closed while the kernel ran.");
}

/** The error for a run whose final state is not "completed". */
function failed(device: XrtDevice, kernel: string, state: number): DeviceError {
  if (!device.answers()) return deviceLost(device);
  const ecc = device.newEccErrors();
  if (ecc > 0) {
    return new DeviceError(
      "ECC_ERROR",
      `Kernel ${kernel} failed on ${device.name}: its memory reports ${ecc} error${ecc === 1 ? "" : "s"} that ECC could not correct.`,
      {
        hint: "Reset the card with `xbutil reset` and load the model again; if it recurs, the card is faulty.",
      },
    );
  }
  if (state === runStates.abort) {
    return new DeviceError("RUN_ABORTED", `Kernel ${kernel} was aborted on ${device.name}.`, {
      hint: "Something else ended it, such as `xbutil reset` by another user; start it again.",
    });
  }
  if (state === runStates.timeout || state === runStates.noResponse) {
    return new DeviceError("RUN_TIMEOUT", `The card reports that kernel ${kernel} does not respond.`, {
      hint: "Reset the card with `xbutil reset` and look at `dmesg`.",
    });
  }
  return new DeviceError("RUN_FAILED", `Kernel ${kernel} ended in the error state on ${device.name}.`, {
    hint: "On a card, `xbutil examine` and `dmesg` say why; try the same command with --device emulator.",
  });
}

/** A run object whose arguments are set. */
export interface ReadyRun {
  readonly handle: Handle;
  /** Milliseconds that it took the last time; undefined before the first. */
  lastMs: number | undefined;
}

/** What runs a kernel, seen from its runs. */
export interface RunKernel {
  readonly name: string;
  readonly device: XrtDevice;
  /** A run with these arguments, which counts as being under way. @throws DeviceError; then there is none */
  begin(args: KernelArguments): ReadyRun;
  /** The run is not under way any more. */
  end(run: ReadyRun, reusable: boolean): void;
}

/**
 * Starts a run and waits for it without blocking the event loop for more than some milliseconds. It is started when
 * this returns.
 * @throws DeviceError RUN_NOT_STARTED, RUN_FAILED, RUN_ABORTED, RUN_TIMEOUT, ECC_ERROR, DEVICE_LOST,
 *   DEVICE_CLOSED, and those of RunKernel.begin; InterruptedError.
 */
export async function execute(
  kernel: RunKernel,
  args: KernelArguments,
  { timeoutMs = defaultTimeoutMs, signal, after }: RunOptions,
): Promise<void> {
  const { device } = kernel;
  const run = kernel.begin(args);
  let completed = false;
  try {
    const { handle, lastMs = sliceMs } = run;
    if (signal?.aborted) throw new InterruptedError();
    if (device.library.xrt.xrtRunStart(handle) !== 0) {
      throw deviceFailed(device, "RUN_NOT_STARTED", `Kernel ${kernel.name} could not be started`);
    }
    if (after !== undefined) await endOf(after, device);
    const interrupted = () => signal?.aborted === true;
    const start = performance.now();
    const slice = Math.min(longestSliceMs, Math.max(sliceMs, 1.5 * lastMs));
    // The first wait, in which most runs end, is made here: every function between costs time after the run's end.
    let state: number | undefined;
    if (lastMs < shortMs) {
      state = waitHere(device, handle);
      if (performance.now() - lastTurn > turnMs) await turn(device);
    } else {
      state = finalState(device, handle, await waitSlice(device, handle, Math.min(slice, timeoutMs)));
    }
    state ??= await waitUntil(device, handle, start + timeoutMs, slice, interrupted);
    run.lastMs = performance.now() - start;
    if (state === undefined) throw await ended(kernel, handle, timeoutMs, interrupted());
    if (interrupted()) throw new InterruptedError();
    if (state !== runStates.completed) throw failed(device, kernel.name, state);
    completed = true;
  } finally {
    kernel.end(run, completed);
  }
}

/** Ends a run that was interrupted, or did not complete in time. @returns the error that says so */
async function ended(
  { device, name }: RunKernel,
  handle: Handle,
  timeoutMs: number,
  wasInterrupted: boolean,
): Promise<Error> {
  const usable = await endEarly(device, handle, wasInterrupted ? interruptGraceMs : 0);
  if (wasInterrupted) return new InterruptedError();
  return new DeviceError(
    "RUN_TIMEOUT",
    `Kernel ${name} did not complete within ${timeoutMs} ms on ${device.name}` +
      `${usable ? "" : "; the device was closed"}.`,
    { hint: "If the model is large, raise the time-out; on a card, reset it with `xbutil reset`." },
  );
}
