import { dirname, join } from "node:path";
import type { Command } from "commander";
import { type CliContext, write, writeJson } from "../context.ts";
import { addExamples } from "../option.ts";
import type { RunVerb } from "../program.ts";

export function addEnv(program: Command, run: RunVerb): void {
  const command = program
    .command("env")
    .description(
      "Print, for a shell, what a C or C++ program needs to run XRT's calls on the emulator: library, flags, an xclbin.",
    )
    .option("--platform <name>", "whose xclbin to write: u280, u55c or tiny", "u280")
    .action((options: { platform: string }) => run((context) => printEnvironment(context, options.platform)));
  addExamples(command, [
    [
      'env > accllm.sh && . ./accllm.sh && cc main.c $ACCLLM_CFLAGS $ACCLLM_LDFLAGS && ./a.out "$ACCLLM_XCLBIN"',
      "a host program on the emulator",
    ],
    ["env --platform tiny --json", "for scripts"],
  ]);
}

async function printEnvironment(context: CliContext, platform: string): Promise<number> {
  const { emulationFile } = await import("../../device/emulation-file.ts");
  const { ensureNative } = await import("../../device/native-build.ts");
  const { emulatorLibraryPath } = await import("../../device/native.ts");
  const { packageRoot } = await import("../../config/paths.ts");
  await ensureNative((line) => void context.stderr.write(`${line}\n`));
  const library = emulatorLibraryPath();
  const folder = dirname(library);
  const values = {
    ACCLLM_EMULATOR: library,
    ACCLLM_XCLBIN: await emulationFile(platform),
    ACCLLM_CFLAGS: `-I${join(packageRoot, "host", "emulator")}`,
    ACCLLM_LDFLAGS: `-L${folder} -laccllm_emu -Wl,-rpath,${folder}`,
  };
  if (context.json) await writeJson(context, values);
  else {
    const lines = Object.entries(values).map(([name, value]) => `export ${name}=${quoted(value)}\n`);
    await write(context.stdout, lines.join(""));
  }
  return 0;
}

function quoted(value: string): string {
  return `'${value.replaceAll("'", "'\\''")}'`;
}
