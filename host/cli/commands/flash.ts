import { createInterface } from "node:readline/promises";
import type { Command } from "commander";
import type { CardReport } from "../../device/reports.ts";
import { type CliContext, write, writeJson } from "../context.ts";
import { addExamples } from "../option.ts";
import type { RunVerb } from "../program.ts";
import { renderTable } from "../render/table.ts";

interface FlashOptions {
  device: string;
  shell?: string | true;
  yes?: boolean;
}

export function addFlash(program: Command, run: RunVerb): void {
  const command = program
    .command("flash")
    .description(
      "Program a card with an xclbin, or write its shell, and show what is on it before and after.",
    )
    .argument("[xclbin]", "bitstream for the card")
    .option("--device <name>", "xrt:0 (card by index) or xrt:0000:3b:00.1 (by PCIe address)", "xrt:0")
    .option(
      "--shell [image]",
      "write the card's shell with xbmgmt: the installed package's, or this image file",
    )
    .option("--yes", "do not ask before the shell is written")
    .action((xclbin: string | undefined, options: FlashOptions) =>
      run((context) => flash(context, xclbin, options)),
    );
  addExamples(command, [
    ["flash bitstreams/u280.xclbin", "load a bitstream into the first card"],
    ["flash --shell --device xrt:0000:3b:00.1", "write the shell of a card, after a question"],
  ]);
}

async function flash(
  context: CliContext,
  xclbin: string | undefined,
  { device, shell, yes }: FlashOptions,
): Promise<number> {
  const { flashCard } = await import("../../toolchain/flash.ts");
  const { err, stderr, signal } = context;
  const report = await flashCard(
    { device, xclbin, shell },
    {
      signal,
      onLine: (line) => void stderr.write(`${err.dim(line)}\n`),
      confirm: yes ? async () => true : (question) => ask(context, question),
    },
  );
  if (context.json) {
    await writeJson(context, report);
    return 0;
  }
  const lines = [
    ["before", ...described(report.before)],
    ["after", ...described(report.after)],
  ];
  await write(context.stdout, renderTable(lines));
  if (report.next !== undefined) await write(context.stdout, `${report.next}\n`);
  return 0;
}

/** Only a terminal can answer; everywhere else the answer is no. */
async function ask({ stdin, stderr, signal }: CliContext, question: string): Promise<boolean> {
  if (stdin.isTTY !== true) return false;
  const terminal = createInterface({ input: stdin, output: stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `, { signal })).trim());
  } finally {
    terminal.close();
  }
}

function described({ shell, shellUuid, xclbinUuid }: CardReport): string[] {
  return [`shell ${shell ?? "unknown"}`, shellUuid ?? "", `xclbin ${xclbinUuid ?? "none"}`];
}
