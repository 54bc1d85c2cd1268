import type { DoneEvent, TokenEvent } from "../../engine/generate.ts";
import { type CliContext, write, writeJson } from "../context.ts";
import { countOf, formatRate, formatSeconds } from "./units.ts";

/**
 * Shows a text as it is generated. With --json every event is a line of stdout. Else stdout gets the text and a line
 * break, on a terminal after the prompt, and stderr a summary.
 * @returns the summary
 */
export async function streamText(
  context: CliContext,
  prompt: string,
  events: AsyncGenerator<TokenEvent, DoneEvent, undefined>,
): Promise<DoneEvent> {
  let begun = false;
  for (;;) {
    const step = await events.next();
    const event = step.value;
    if (context.json) await writeJson(context, event);
    else if (event.type === "token") {
      // Not before the first token, so that an error is not preceded by half a story.
      if (!begun && context.stdout.isTTY === true) await write(context.stdout, context.out.dim(prompt));
      begun = true;
      await write(context.stdout, event.text);
    } else if (!context.outputGone.aborted) {
      if (begun) await write(context.stdout, "\n");
      await write(context.stderr, `${context.err.dim(summarize(event))}\n`);
    }
    if (step.done) return step.value;
  }
}

const ENDINGS: Readonly<Record<DoneEvent["reason"], string>> = {
  stop: "ended by a stop string",
  length: "ended by the token limit",
  eos: "ended by the model",
  cancelled: "interrupted",
};

function summarize({ reason, promptTokens, completionTokens, seed, timings, device }: DoneEvent): string {
  const rate = timings.decodeTokensPerSecond;
  const modelled = device.modelledDecodeTokensPerSecond;
  return [
    `${countOf(completionTokens, "token")} ${ENDINGS[reason]}`,
    `prompt of ${countOf(promptTokens, "token")} in ${formatSeconds(timings.prefillSeconds)}`,
    ...(rate === null ? [] : [`${formatRate(rate)} tokens/s on ${deviceLabel(device)}`]),
    ...(device.tokensPerJoule === undefined || device.watts === undefined
      ? []
      : [
          `${formatRate(device.tokensPerJoule)} tokens/J at ${formatRate(device.watts)} W by the card's sensor`,
        ]),
    ...(modelled === null ? [] : [`${formatRate(modelled)} tokens/s on the card by the timing model`]),
    `seed ${seed}`,
  ].join(" · ");
}

/** "emulator (golden)": the device's name says which engine it is, or the engine is added. */
function deviceLabel({ name, engine }: DoneEvent["device"]): string {
  return name.includes(engine) ? name : `${name} (${engine})`;
}
