import type { Command } from "commander";
import {
  DEFAULT_MAX_TOKENS,
  type GenerationOptions,
  generationSchema,
  parseGeneration,
} from "../../config/generation.ts";
import { chatPrompt } from "../../engine/chat-prompt.ts";
import { generate } from "../../engine/generate.ts";
import type { OpenModel } from "../../engine/open-model.ts";
import type { StoreEvent } from "../../engine/sequences/sequence-store.ts";
import { AccllmError } from "../../errors.ts";
import { type CliContext, write, writeJson } from "../context.ts";
import { Conversation } from "../conversation.ts";
import {
  addConversationOptions,
  type ConversationOptions,
  readTemplate,
  sessionFolder,
} from "../conversation-options.ts";
import { demoImage } from "../demo-image.ts";
import { LineReader } from "../line-reader.ts";
import { addDeviceOptions, addExamples, numberOption } from "../option.ts";
import type { RunVerb } from "../program.ts";
import { describeFileError, toAccllmError } from "../render/error.ts";
import { loadingProgress } from "../render/progress.ts";
import { ChatStatistics } from "../render/statistics.ts";
import type { DeviceChoice } from "../services.ts";

interface ChatOptions extends GenerationOptions, DeviceChoice, ConversationOptions {
  system?: string;
}

const HELP = `/reset        forget the conversation, but not the system prompt
/system TEXT  set the system prompt; without a text, take it away
/save FILE    write the conversation to a file
/load FILE    go on with a saved one
/stats        speed, tokens, what the cache holds
/help         this
/quit         end (also Ctrl-D); Ctrl-C stops an answer
`;

export function addChat(program: Command, run: RunVerb): void {
  const schema = generationSchema.shape;
  const command = program
    .command("chat")
    .description(
      "Talk with a model in the terminal. Without an image the demo model is used, which continues stories.",
    )
    .argument("[image]", "model image (.accllm)")
    .option("--system <text>", "system prompt")
    .addOption(
      numberOption(
        "-n, --max-tokens <n>",
        `tokens of an answer (default: ${DEFAULT_MAX_TOKENS})`,
        schema.maxTokens,
      ),
    )
    .addOption(numberOption("--temperature <t>", "0 always takes the most likely token", schema.temperature))
    .addOption(numberOption("--top-k <k>", "keep the k most likely tokens, 0 keeps all", schema.topK))
    .addOption(numberOption("--top-p <p>", "keep the most likely tokens up to this probability", schema.topP))
    .addOption(numberOption("--min-p <p>", "keep tokens this fraction as likely as the first", schema.minP))
    .addOption(
      numberOption("--repeat-penalty <x>", "divide the logits of the last 64 tokens", schema.repeatPenalty),
    )
    .addOption(numberOption("--seed <n>", "seed of every answer; chosen where absent", schema.seed));
  addDeviceOptions(addConversationOptions(command)).action(
    (image: string | undefined, options: ChatOptions) => run((context) => chat(context, image, options)),
  );
  addExamples(command, [
    [
      "chat model.accllm --system 'You answer briefly.'",
      "a conversation; /help lists what else can be typed",
    ],
    ["chat model.accllm --json < questions.txt", "a line a question, one JSON object a token"],
  ]);
}

async function chat(context: CliContext, image: string | undefined, options: ChatOptions): Promise<number> {
  const { services, signal } = context;
  const { system, device, engine, xclbin, threads, sinks, window, chatTemplate, ...rest } = options;
  const { sessionDir, sessionLimit, ...given } = rest;
  const sessions = sessionFolder({ sessionDir, sessionLimit });
  // The demo model likes to be sampled like that.
  const temperature = given.temperature ?? (image === undefined ? 0.7 : undefined);
  const settings = parseGeneration({ ...given, temperature });
  const open = {
    device,
    engine,
    xclbin,
    threads,
    sinks,
    window,
    chatTemplate: await readTemplate(chatTemplate),
    sessions: sessions && { ...sessions, onEvent: (event: StoreEvent) => void tellFailure(context, event) },
  };
  const path = image ?? (await demoImage(context));
  const progress = loadingProgress(context);
  const model = await services
    .openModel(path, { ...open, longPrompts: true, signal, progress: progress.update })
    .finally(() => progress.stop());
  try {
    await new Chat(context, model, new Conversation(system), { ...settings, seed: given.seed }).run();
    return context.signal.aborted ? 130 : 0;
  } finally {
    await model.close();
  }
}

/** What is kept and restored shows in /stats; only that it could not be is worth a line. */
async function tellFailure({ stderr, err }: CliContext, { error }: StoreEvent): Promise<void> {
  if (error === undefined) return;
  const { message } = toAccllmError(error);
  await write(stderr, `${err.dim(`A session could not be kept or restored: ${message}`)}\n`);
}

/** One conversation with its commands. */
class Chat {
  readonly #context: CliContext;
  readonly #model: OpenModel;
  readonly #conversation: Conversation;
  readonly #settings: GenerationOptions;
  readonly #statistics: ChatStatistics;
  readonly #lines: LineReader;
  #answering: AbortController | undefined;
  #ended = false;

  constructor(
    context: CliContext,
    model: OpenModel,
    conversation: Conversation,
    settings: GenerationOptions,
  ) {
    this.#context = context;
    this.#model = model;
    this.#conversation = conversation;
    this.#settings = settings;
    this.#statistics = new ChatStatistics(model);
    this.#lines = new LineReader(context, context.out.bold("> "), () => this.#interrupt());
  }

  async run(): Promise<void> {
    const { name, session, template } = this.#model;
    await this.#say(`${name} on ${session.deviceName}, template ${template.name}; /help lists the commands`);
    try {
      while (!this.#ended) {
        const line = await this.#lines.next();
        if (line === undefined) break;
        if (line.trim() === "") continue;
        if (line.startsWith("/")) await this.#obey(line);
        else await this.#ask(line);
      }
    } finally {
      this.#lines.close();
    }
  }

  async #ask(question: string): Promise<void> {
    const { session } = this.#model;
    this.#conversation.add("user", question);
    this.#answering = new AbortController();
    try {
      const { ids, codec, stop } = chatPrompt(this.#model, this.#conversation.messages);
      const signal = AbortSignal.any([this.#answering.signal, this.#context.signal]);
      const events = generate(session, codec, ids, {
        ...this.#settings,
        stop: [...(this.#settings.stop ?? []), ...stop],
        signal,
      });
      for (;;) {
        const { value, done } = await events.next();
        if (this.#context.json) await writeJson(this.#context, value);
        else if (!done) await write(this.#context.stdout, value.text);
        if (!done) continue;
        this.#conversation.add("assistant", value.text);
        this.#statistics.add(value, session.reusedTokens);
        if (!this.#context.json) await write(this.#context.stdout, "\n");
        if (value.reason === "cancelled") await this.#say("stopped");
        return;
      }
    } catch (error) {
      // What the model cannot take is said, and the conversation goes on without it; a broken device ends it.
      this.#conversation.undo();
      if (!(error instanceof AccllmError) || error.exitCode > 2) throw error;
      await this.#say([error.message, error.hint].filter(Boolean).join(" "));
    } finally {
      this.#answering = undefined;
    }
  }

  async #obey(line: string): Promise<void> {
    const [, name = "", argument = ""] = /^\/(\S*)\s*(.*)$/.exec(line) ?? [];
    switch (name) {
      case "reset":
        this.#conversation.reset();
        return this.#say("The conversation is forgotten.");
      case "system":
        this.#conversation.system = argument;
        return this.#say(argument === "" ? "There is no system prompt." : "The system prompt is set.");
      case "save":
      case "load":
        return this.#file(name, argument);
      case "stats":
        for (const text of this.#statistics.lines(this.#conversation.turns)) await this.#say(text);
        return;
      case "help":
        return this.#say(HELP.trimEnd());
      case "quit":
      case "exit":
        this.#ended = true;
        return;
      default:
        return this.#say(`There is no command /${name}; /help lists them.`);
    }
  }

  async #file(name: "save" | "load", path: string): Promise<void> {
    if (path === "") return this.#say(`Say where: /${name} FILE`);
    try {
      await this.#conversation[name](path);
      await this.#say(
        name === "save" ? `Saved to ${path}.` : `${this.#conversation.turns} turns from ${path}.`,
      );
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const isFile = !(error instanceof AccllmError) && code !== undefined;
      await this.#say(
        isFile
          ? `Cannot use ${path}: ${describeFileError(error as NodeJS.ErrnoException)}.`
          : toAccllmError(error).message,
      );
    }
  }

  #interrupt(): void {
    if (this.#answering !== undefined) this.#answering.abort();
    else {
      this.#lines.clear();
      void this.#say("Ctrl-D or /quit ends the conversation.").then(() => this.#lines.ask());
    }
  }

  /** What is not the model's goes to stderr. */
  async #say(text: string): Promise<void> {
    await write(this.#context.stderr, `${this.#context.err.dim(text)}\n`);
  }
}
