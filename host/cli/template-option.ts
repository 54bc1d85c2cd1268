import { readFile, stat } from "node:fs/promises";
import { type Command, Option } from "commander";
import { z } from "zod";
import { InputError, UsageError } from "../errors.ts";
import { PLAIN_TEMPLATES } from "../text/plain-templates.ts";
import { numberOption } from "./option.ts";

const families = Object.keys(PLAIN_TEMPLATES);
const MAX_TEMPLATE_BYTES = 1 << 20;

/** What the verbs that hold conversations take besides a device. */
export interface ConversationOptions {
  readonly chatTemplate?: string;
  readonly sinks?: number;
  readonly window?: number;
}

/** --chat-template, --sinks and --window. */
export function addConversationOptions(command: Command): Command {
  const positions = z
    .number()
    .int()
    .min(0)
    .max(1 << 24);
  return command
    .addOption(
      new Option(
        "--chat-template <name or file>",
        `${families.join(", ")} or a Jinja file (default: the checkpoint's own)`,
      ),
    )
    .addOption(numberOption("--sinks <n>", "first positions that stay (default: the image's)", positions))
    .addOption(numberOption("--window <n>", "latest positions that stay (default: the image's)", positions));
}

/**
 * The template that the option names: a family's name, or a file's content.
 * @throws UsageError for what is neither, InputError for a file that is too long
 */
export async function readTemplate(option: string | undefined): Promise<string | undefined> {
  if (option === undefined || families.includes(option)) return option;
  const kind = await stat(option).catch(() => undefined);
  if (kind?.isFile() !== true) {
    throw new UsageError("BAD_TEMPLATE", `There is no chat template ${JSON.stringify(option)}.`, {
      hint: `Give one of ${families.join(", ")}, or a file with a Jinja template.`,
    });
  }
  if (kind.size > MAX_TEMPLATE_BYTES) {
    throw new InputError(
      "FILE_TOO_LARGE",
      `${option} has ${kind.size} bytes; at most ${MAX_TEMPLATE_BYTES} are accepted for a chat template.`,
    );
  }
  return readFile(option, "utf8");
}
