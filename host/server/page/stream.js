/**
 * @typedef {object} Part
 * @property {string} text
 * @property {number | null} [rate] tokens per second of the whole answer
 * @property {number} [promptTokens]
 * @property {number} [cachedTokens]
 *
 * @typedef {object} ChatRequest
 * @property {string} model
 * @property {readonly { role: string, content: string }[]} messages
 * @property {{ system: string, temperature: number, maxTokens: number, seed: number }} settings
 */

/**
 * Asks the server and yields the answer as it comes.
 * @param {ChatRequest} request
 * @param {Record<string, string>} headers
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<Part, void, undefined>}
 */
export async function* streamChat({ model, messages, settings }, headers, signal) {
  const { system, temperature, maxTokens, seed } = settings;
  const response = await fetch("v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({
      model,
      messages: system.trim() === "" ? messages : [{ role: "system", content: system }, ...messages],
      ...(Number.isNaN(temperature) ? {} : { temperature }),
      ...(Number.isNaN(maxTokens) ? {} : { max_tokens: maxTokens }),
      ...(Number.isNaN(seed) ? {} : { seed }),
      stream: true,
      stream_options: { include_usage: true },
    }),
    signal,
  });
  if (!response.ok || response.body === null) {
    const failure = await response.json().catch(() => undefined);
    const message = failure?.error?.message ?? `The server answered with status ${response.status}.`;
    const hint = failure?.error?.code === "context_length_exceeded" ? " Start a new conversation." : "";
    throw new Error(message + hint);
  }
  let whole = false;
  for await (const data of eventsOf(response.body)) {
    if (data === "[DONE]") {
      whole = true;
      continue;
    }
    const chunk = JSON.parse(data);
    if (chunk.error !== undefined) throw new Error(chunk.error.message);
    /** @type {Part} */
    const part = { text: chunk.choices?.[0]?.delta?.content ?? "" };
    if (chunk.usage != null) {
      part.rate = chunk.accllm?.decode_tokens_per_second ?? null;
      part.promptTokens = chunk.usage.prompt_tokens;
      part.cachedTokens = chunk.usage.prompt_tokens_details?.cached_tokens ?? 0;
    }
    yield part;
  }
  if (!whole) throw new Error("The answer ended early.");
}

/**
 * The data of server-sent events.
 * @param {ReadableStream<Uint8Array>} body
 */
async function* eventsOf(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let pending = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      pending += decoder.decode(value, { stream: true });
      const events = pending.split("\n\n");
      pending = events.pop() ?? "";
      for (const event of events) {
        if (event.startsWith("data: ")) yield event.slice("data: ".length);
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
