// Many clients at once against a running server, some of which leave: no answer may be lost, crossed or changed.
//   node scripts/serve-soak.mjs http://127.0.0.1:8080 [clients 200] [seconds 120] [server's process id]
import { readFileSync } from "node:fs";
import { argv, exit, stdout } from "node:process";
import { pathToFileURL } from "node:url";

/**
 * @typedef {object} SoakResult
 * @property {number} answers whole answers, each equal to the same request made alone
 * @property {number} left answers that the client left
 * @property {number} refused 429 with Retry-After
 * @property {string[]} faults what must not happen
 * @property {number[]} rss resident megabytes of the server, once a second, where its process id is known
 */

const PROMPTS = [
  "Once upon a time",
  "The little dog",
  "Lily and Tom went",
  "One day, a bird",
  "There was a big tree",
];
const KINDS = 24;

/**
 * The request of a kind: its prompt, seed and length; answers to it are always the same.
 * @param {number} kind
 * @param {string} model
 */
function requestOf(kind, model) {
  return {
    model,
    prompt: PROMPTS[kind % PROMPTS.length],
    seed: kind,
    temperature: 1,
    max_tokens: 4 + ((kind * 7) % 29),
    ignore_eos: true,
  };
}

/**
 * @param {string} url
 * @param {object} body
 * @param {AbortSignal} [signal]
 */
function post(url, body, signal) {
  const headers = { "content-type": "application/json" };
  return fetch(`${url}/v1/completions`, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
    ...(signal === undefined ? {} : { signal }),
  });
}

/** @param {Response} response */
async function json(response) {
  return JSON.parse(await response.text());
}

/**
 * The text of a stream; undefined where it has not ended as it should.
 * @param {Response} response
 */
async function streamedText(response) {
  const events = (await response.text()).split("\n\n").filter((event) => event !== "");
  if (events.at(-1) !== "data: [DONE]") return undefined;
  return events
    .slice(0, -1)
    .map((event) => JSON.parse(event.slice("data: ".length)).choices[0]?.text ?? "")
    .join("");
}

/**
 * Runs the clients against a server.
 * @param {string} url
 * @param {{ clients: number, seconds: number, pid?: number | undefined, random?: () => number }} options
 * @returns {Promise<SoakResult>}
 */
export async function soak(url, { clients, seconds, pid, random = Math.random }) {
  const model = (await json(await fetch(`${url}/v1/models`))).data[0].id;
  /** @type {string[]} */
  const alone = [];
  for (let kind = 0; kind < KINDS; kind++) {
    alone.push((await json(await post(url, requestOf(kind, model)))).choices[0].text);
  }
  /** @type {SoakResult} */
  const result = { answers: 0, left: 0, refused: 0, faults: [], rss: [] };
  const until = performance.now() + seconds * 1000;

  const client = async () => {
    while (performance.now() < until) {
      const kind = Math.floor(random() * KINDS);
      const stream = random() < 0.5;
      const leaves = random() < 0.25 ? new AbortController() : undefined;
      const timer = leaves && setTimeout(() => leaves.abort(), random() * 1500);
      try {
        const response = await post(url, { ...requestOf(kind, model), stream }, leaves?.signal);
        if (response.status === 429) {
          result.refused++;
          const wait = Number(response.headers.get("retry-after"));
          if (!(wait >= 1)) result.faults.push("429 without Retry-After");
          await response.arrayBuffer();
          await new Promise((resolve) => setTimeout(resolve, 200 + random() * 800));
          continue;
        }
        const text = stream ? await streamedText(response) : (await json(response)).choices?.[0]?.text;
        if (response.status !== 200) result.faults.push(`status ${response.status}`);
        else if (text !== alone[kind]) {
          result.faults.push(`kind ${kind}: ${JSON.stringify(text)} is not ${JSON.stringify(alone[kind])}`);
        } else result.answers++;
      } catch (error) {
        if (leaves?.signal.aborted) result.left++;
        else result.faults.push(String(error instanceof Error ? (error.cause ?? error) : error));
      } finally {
        clearTimeout(timer);
      }
    }
  };
  const watch = async () => {
    while (performance.now() < until) {
      const { queue } = await json(await fetch(`${url}/state`));
      if (queue.waiting > queue.limit) result.faults.push(`${queue.waiting} of ${queue.limit} wait`);
      if (pid !== undefined) result.rss.push(residentMegabytes(pid));
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  };
  await Promise.all([watch(), ...Array.from({ length: clients }, client)]);
  return result;
}

/** @param {number} pid */
function residentMegabytes(pid) {
  const [, pages] = readFileSync(`/proc/${pid}/statm`, "utf8").split(" ");
  return Math.round((Number(pages) * 4096) / 1e5) / 10;
}

if (import.meta.url === pathToFileURL(argv[1] ?? "").href) {
  const [url = "http://127.0.0.1:8080", clients = "200", seconds = "120", pid] = argv.slice(2);
  const result = await soak(url, {
    clients: Number(clients),
    seconds: Number(seconds),
    pid: pid === undefined ? undefined : Number(pid),
  });
  stdout.write(`${JSON.stringify({ ...result, faults: result.faults.slice(0, 20) })}\n`);
  exit(result.faults.length === 0 && result.answers > 0 ? 0 : 1);
}
