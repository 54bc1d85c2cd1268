import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { nativeFolder } from "../../../../host/device/native.ts";
import { Random } from "../../../../quant/eval/reference/random.ts";
import { bundleProgram } from "../../host/cli/bundle.ts";
import { newFolder } from "../io/small-checkpoint.ts";
import { randomCheckpoint } from "./random-checkpoint.ts";

const built = existsSync(join(nativeFolder(), "libaccllm_quant.so"));
const kills = 10;

function digest(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

describe.skipIf(!built)("training that is killed (needs the native library built)", () => {
  let program: string;
  beforeAll(async () => {
    program = await bundleProgram();
  });

  const checkpoint = randomCheckpoint();

  function start(output: string) {
    const options = ["--weights", "w2", "--reconstruct", "1", "--finetune", "3", "--resume"];
    return spawn(process.execPath, [program, "quantize", checkpoint, "-o", output, ...options], {
      stdio: "ignore",
    });
  }

  it("goes on to the same image after kill -9 at ten random moments, and leaves nothing half-written", async () => {
    const whole = join(newFolder(), "model.accllm");
    const before = performance.now();
    expect(await once(start(whole), "exit")).toEqual([0, null]);
    const duration = performance.now() - before;
    const expected = digest(whole);

    const random = new Random(5);
    const output = join(newFolder(), "model.accllm");
    let killed = 0;
    let resumed = 0;
    // A kill that comes too late, as on a machine that has become faster, counts for nothing.
    for (let tries = 0; killed < kills && tries < 4 * kills; tries++) {
      if (existsSync(join(`${output}.work`, "state.json"))) resumed++;
      const child = start(output);
      const ended = once(child, "exit");
      await Promise.race([ended, setTimeout((duration * random.word()) / 2 ** 32)]);
      child.kill("SIGKILL");
      const [, signal] = await ended;
      if (signal === "SIGKILL") killed++;
      // The image is there whole or not at all.
      if (existsSync(output)) {
        expect(digest(output)).toBe(expected);
        rmSync(output);
      }
    }
    expect(killed).toBe(kills);
    expect(resumed).toBeGreaterThan(0);
    expect(await once(start(output), "exit")).toEqual([0, null]);
    expect(digest(output)).toBe(expected);
    expect(readdirSync(dirname(output))).toEqual(["model.accllm"]);
  }, 600_000);
});
