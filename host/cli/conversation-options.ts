import { readFile, stat } from "node:fs/promises";
import { type Command, Option } from "commander";
import { z } from "zod";
import { DEFAULT_SESSION_BYTES } from "../config/sessions.ts";
import type { SessionFolder } from "../engine/open-model.ts";
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
  readonly sessionDir?: string | undefined;
  /** GB. */
  readonly sessionLimit?: number | undefined;
}

/** --chat-template, --sinks, --window, --session-dir and --session-limit. */
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
    .addOption(numberOption("--window <n>", "latest positions that stay (default: the image's)", positions))
    .option(
      "--session-dir <folder>",
      "keep conversations with their caches here and take them up again, after a restart too",
    )
    .addOption(
      numberOption(
        "--session-limit <GB>",
        `most that the folder may take; what was used longest ago is removed (default: ${DEFAULT_SESSION_BYTES / 1e9})`,
        z.number().gt(0).max(1_000_000),
      ),
    );
}

/** The folder that the options name. @throws UsageError for a limit without a folder */
export function sessionFolder({ sessionDir, sessionLimit }: ConversationOptions): SessionFolder | undefined {
  if (sessionDir !== undefined) {
    return {
      folder: sessionDir,
      limitBytes: sessionLimit === undefined ? undefined : Math.floor(sessionLimit * 1e9),
    };
  }
  if (sessionLimit === undefined) return undefined;
  throw new UsageError("BAD_OPTION", "The option --session-limit needs a folder.", {
    hint: "Name one with --session-dir.",
  });
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
