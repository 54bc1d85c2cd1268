import type { Command } from "commander";
import { z } from "zod";
import { write, writeJson } from "../context.ts";
import { addDeviceOptions, addExamples, numberOption } from "../option.ts";
import type { RunVerb } from "../program.ts";
import { createProgress } from "../render/progress.ts";
import { countOf } from "../render/units.ts";
import type { DeviceChoice } from "../services.ts";

interface VerifyOptions extends DeviceChoice {
  random: number;
  seed: number;
}

/** Exit code where results differ: either the software or the card computes wrongly. */
const MISMATCH = 1;

export function addVerify(program: Command, run: RunVerb): void {
  const command = program
    .command("verify")
    .description(
      "Compare a device with the reference of docs/numerics.md, bit for bit: the image's own model and random small ones. Exits with 1 where a case differs.",
    )
    .argument("<image>", "model image (.accllm)")
    .addOption(
      numberOption(
        "--random <n>",
        "random small models to compare",
        z.number().int().min(0).max(100_000),
      ).default(200),
    )
    .addOption(
      numberOption(
        "--seed <n>",
        "seed of the random models",
        z.number().int().min(0).max(0xffffffff),
      ).default(0),
    );
  addDeviceOptions(command, "are compared one after the other").action(
    (image: string, { random, seed, ...choice }: VerifyOptions) =>
      run(async (context) => {
        const { services, signal } = context;
        const progress = createProgress(context, "Verifying");
        try {
          const report = await services.verify(
            { path: image, randomCases: random, seed, ...choice },
            { signal, progress: (done, total) => progress.update(done, total) },
          );
          progress.stop();
          if (context.json) await writeJson(context, report);
          else {
            for (const failure of report.failures) {
              await write(
                context.stdout,
                `${context.out.red("differs")}  ${failure.case}: ${failure.detail}\n`,
              );
            }
            const outcome = `${countOf(report.cases, "case")}, ${countOf(report.mismatches, "mismatch", "mismatches")}`;
            const color = report.mismatches === 0 ? context.out.green : context.out.red;
            await write(context.stdout, `${color(outcome)}\n`);
          }
          return report.mismatches === 0 ? 0 : MISMATCH;
        } finally {
          progress.stop();
        }
      }),
  );
  addExamples(command, [
    ["verify build/demo.accllm", "the emulator against the reference"],
    ["verify model.accllm --device xrt:0", "a card against the reference"],
  ]);
}
