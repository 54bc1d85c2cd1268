import type { Command } from "commander";
import { write, writeJson } from "../context.ts";
import { addExamples } from "../option.ts";
import type { RunVerb } from "../program.ts";
import { renderChecks } from "../render/checks.ts";

/** Exit code where a check failed: what is missing stands between the user and a device. */
const FAILED = 4;

export function addDoctor(program: Command, run: RunVerb): void {
  const command = program
    .command("doctor")
    .description("Check what is installed, what is missing and what to do. Exits with 4 where a check fails.")
    .action(() =>
      run(async (context) => {
        const checks = await context.services.doctor();
        if (context.json) await writeJson(context, checks);
        else await write(context.stdout, renderChecks(checks, context.out));
        return checks.some(({ status }) => status === "fail") ? FAILED : 0;
      }),
    );
  addExamples(command, [["doctor", "check this machine"]]);
}
