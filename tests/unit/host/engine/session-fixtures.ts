import { Session, type SessionOptions } from "../../../../host/engine/session.ts";
import { FakeDevice, type FakeRun } from "./fake-device.ts";
import { filledImage, imageHeader, smallShape } from "./memory-image.ts";

/** What the fake kernel found in one job, read by offsets written down here and not taken from the code. */
export interface SeenJob {
  abi: number;
  commands: number;
  tokens: number[];
  positions: number[];
  sinkPositions: number[];
  firstLogit: number;
  statusMagic: number;
}

export function seen({ memory, job }: FakeRun): SeenJob {
  const io = new DataView(memory.io!.buffer);
  const header = (word: number) => io.getUint32(64 * job + 4 * word, true);
  const record = (token: number, word: number) =>
    io.getUint32(64 * (header(3) + token * header(4)) + 4 * word, true);
  const all = (word: number) => Array.from({ length: header(5) }, (_, t) => record(t, word));
  return {
    abi: header(0),
    commands: header(2),
    tokens: all(0),
    positions: all(1),
    sinkPositions: all(2),
    firstLogit: header(6),
    statusMagic: io.getUint32(64 * header(7), true),
  };
}

/** Finishes a job: logits of token t are [1000 * token id + position, 0, 0, ...]. */
export function finish(run: FakeRun, { code = 0, abi = 1, cycles = 900n, counters = 1 } = {}): void {
  const io = new DataView(run.memory.io!.buffer);
  const header = (word: number) => io.getUint32(64 * run.job + 4 * word, true);
  const status = 64 * header(7);
  [0x4c434341, code, 3, abi, counters].forEach((word, i) => {
    io.setUint32(status + 4 * i, word, true);
  });
  io.setBigUint64(status + 64 + 8 * 3, cycles, true);
  io.setBigUint64(status + 64 + 8 * 8, 2n ** 33n, true);
  const last = 64 * (header(1) + header(2) - 1);
  const [ioOffset, rowBeats] = [io.getUint32(last + 24, true), io.getUint32(last + 32, true)];
  const { tokens, positions } = seen(run);
  for (let t = header(6); t < tokens.length; t++) {
    io.setFloat32(64 * (ioOffset + t * rowBeats), 1000 * tokens[t]! + positions[t]!, true);
  }
}

export async function open(
  execute: (run: FakeRun) => Promise<void> | void,
  options: Partial<SessionOptions> = {},
): Promise<{ session: Session; device: FakeDevice; jobs: SeenJob[] }> {
  const jobs: SeenJob[] = [];
  const device = new FakeDevice((run) => {
    jobs.push(seen(run));
    return execute(run);
  });
  const session = await Session.open({ device, image: filledImage(imageHeader(smallShape)), ...options });
  return { session, device, jobs };
}
