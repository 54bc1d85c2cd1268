import type { Command } from "commander";
import { Option } from "commander";
import { z } from "zod";
import { SERVER_DEFAULTS } from "../../server/defaults.ts";
import { type CliContext, write, writeJson } from "../context.ts";
import {
  addConversationOptions,
  type ConversationOptions,
  readTemplate,
  sessionFolder,
} from "../conversation-options.ts";
import { demoImage } from "../demo-image.ts";
import { addDeviceOptions, addExamples, numberOption, repeatedOption } from "../option.ts";
import type { RunVerb } from "../program.ts";
import type { DeviceChoice } from "../services.ts";

interface ServeOptions extends DeviceChoice, ConversationOptions {
  host: string;
  port: number;
  apiKey?: string;
  corsOrigin?: string[];
  queue: number;
  timeout: number;
  maxTokens: number;
  drain: number;
  longPrompts?: true;
  logLevel: string;
}

const whole = (min: number, max: number) => z.number().int().min(min).max(max);
const LOOPBACK = new Set(["127.0.0.1", "::1", "localhost"]);

export function addServe(program: Command, run: RunVerb): void {
  const command = program
    .command("serve")
    .description(
      "Serve a model over HTTP with OpenAI's API and a page to chat on. Without an image the demo model is used.",
    )
    .argument("[image]", "model image (.accllm)")
    .option("--host <address>", "address to listen on", SERVER_DEFAULTS.host)
    .addOption(
      numberOption("--port <n>", "port to listen on; 0 takes a free one", whole(0, 65535)).default(
        SERVER_DEFAULTS.port,
      ),
    )
    .option("--api-key <key>", "key that clients must send (also: ACCLLM_API_KEY, which `ps` does not show)")
    .addOption(repeatedOption("--cors-origin <origin>", "let pages of this origin call; may be repeated"))
    .addOption(
      numberOption("--queue <n>", "requests that may wait for the device", whole(0, 10_000)).default(
        SERVER_DEFAULTS.queueLimit,
      ),
    )
    .addOption(
      numberOption(
        "--timeout <s>",
        "seconds that a request may take, waiting included",
        whole(1, 86_400),
      ).default(SERVER_DEFAULTS.deadlineMs / 1000),
    )
    .addOption(
      numberOption("--max-tokens <n>", "tokens that one request may ask for", whole(1, 1_000_000)).default(
        SERVER_DEFAULTS.maxTokens,
      ),
    )
    .option(
      "--long-prompts",
      "take prompts over the window: their middle falls out (default: they are refused)",
    )
    .addOption(
      numberOption(
        "--drain <s>",
        "seconds that requests may take to finish on SIGTERM",
        whole(0, 3_600),
      ).default(30),
    )
    .addOption(
      new Option("--log-level <level>", "what to log, as JSON lines on stderr")
        .choices(["debug", "info", "warn", "error", "silent"])
        .default("info"),
    );
  addDeviceOptions(addConversationOptions(command), "share the requests").action(
    (image: string | undefined, options: ServeOptions) => run((context) => serve(context, image, options)),
  );
  addExamples(command, [
    ["serve", "the demo model on http://127.0.0.1:8080"],
    ["serve model.accllm --device xrt:0,xrt:1", "two cards behind one queue"],
    ["serve model.accllm --host 0.0.0.0 --port 9000", "for other machines; set ACCLLM_API_KEY"],
  ]);
}

async function serve(context: CliContext, image: string | undefined, options: ServeOptions): Promise<number> {
  const { services, signal } = context;
  const { device, engine, xclbin, threads, sinks, window } = options;
  const chatTemplate = await readTemplate(options.chatTemplate);
  const sessions = sessionFolder(options);
  const { pino } = await import("pino");
  const log = pino({ level: options.logLevel, base: null }, context.stderr);
  const path = image ?? (await demoImage(context));
  const apiKey = options.apiKey ?? (context.env.ACCLLM_API_KEY || undefined);
  const devices = await services.devicesOf({ device, threads });
  const server = await services.server({
    load: devices.map(
      (one) => (onEvent) =>
        services.openModel(path, {
          ...one,
          engine,
          xclbin,
          sinks,
          window,
          chatTemplate,
          longPrompts: options.longPrompts,
          sessions: sessions && { ...sessions, onEvent },
          signal,
        }),
    ),
    host: options.host,
    port: options.port,
    log,
    apiKey,
    corsOrigins: options.corsOrigin ?? [],
    queueLimit: options.queue,
    deadlineMs: options.timeout * 1000,
    maxTokens: options.maxTokens,
  });
  const url = await server.listen();
  try {
    await server.start();
    const model = server.service.model;
    const device = server.service.engines.flatMap((one) => one.model?.session.deviceName ?? []).join(", ");
    if (context.json) await writeJson(context, { type: "listening", url, model: model.name, device });
    else await write(context.stdout, `${model.name} on ${device}: ${url}\n`);
    if (!LOOPBACK.has(options.host) && apiKey === undefined) {
      log.warn("anybody who reaches this address may use the model: no API key is set");
    }
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    });
    log.info("shutting down");
  } finally {
    await server.close(options.drain * 1000);
  }
  return 0;
}
