import type { Command } from "commander";
import { write, writeJson } from "../context.ts";
import { addExamples } from "../option.ts";
import type { RunVerb } from "../program.ts";
import { renderChecks } from "../render/checks.ts";

export function addDevices(program: Command, run: RunVerb): void {
  const command = program
    .command("devices")
    .description("List the devices that --device can name.")
    .action(() =>
      run(async (context) => {
        const devices = await context.services.devices();
        if (context.json) await writeJson(context, devices);
        else {
          const rows = devices.map(({ device, ...entry }) => ({ ...entry, check: device }));
          await write(context.stdout, renderChecks(rows, context.out));
        }
        return 0;
      }),
    );
  addExamples(command, [["devices --json", "for scripts"]]);
}
