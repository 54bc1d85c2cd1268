import type { Command } from "commander";
import { write, writeJson } from "../context.ts";
import { addExamples } from "../option.ts";
import type { RunVerb } from "../program.ts";
import { renderTable } from "../render/table.ts";

export function addInspect(program: Command, run: RunVerb): void {
  const command = program
    .command("inspect")
    .description("Print what is in a checkpoint, a model image or an xclbin.")
    .argument("<file>", "checkpoint folder, .gguf, llama2.c .bin, .accllm or .xclbin")
    .action((file: string) =>
      run(async (context) => {
        const { json, sections } = await context.services.inspect(file);
        if (context.json) {
          await writeJson(context, json);
          return 0;
        }
        const parts = sections.map(
          ({ title, rows }) => `${context.out.bold(title)}\n${indent(renderTable(rows))}`,
        );
        await write(context.stdout, parts.join("\n"));
        return 0;
      }),
    );
  addExamples(command, [
    ["inspect models/demo", "a checkpoint's dimensions and tensors"],
    ["inspect build/demo.accllm --json", "a model image, for scripts"],
  ]);
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, "  ");
}
