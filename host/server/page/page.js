import { drawBanks, drawWindow, formatRate } from "./picture.js";
import { streamChat } from "./stream.js";

/** @typedef {import("../server-state.ts").ServerState} ServerState */

/**
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
function element(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${id}`);
  return found;
}

const log = element("log", HTMLElement);
const empty = element("empty", HTMLElement);
const form = element("form", HTMLFormElement);
const question = element("question", HTMLTextAreaElement);
const send = element("send", HTMLButtonElement);
const stop = element("stop", HTMLButtonElement);
const reset = element("reset", HTMLButtonElement);
const error = element("error", HTMLElement);
const announcement = element("announcement", HTMLElement);
const stateBadge = element("state", HTMLElement);
const key = element("key", HTMLInputElement);

/** @type {{ role: "user" | "assistant", content: string }[]} */
let messages = [];
/** @type {AbortController | undefined} */
let answering;
let modelName = "";

const POLL_MS = { answering: 250, idle: 2000 };

key.value = sessionStorage.getItem("key") ?? "";
key.addEventListener("change", () => {
  sessionStorage.setItem("key", key.value);
  void poll();
});

/** @returns {Record<string, string>} */
function authorization() {
  return key.value === "" ? {} : { authorization: `Bearer ${key.value}` };
}

/**
 * @param {string} id
 * @param {string} text
 */
function show(id, text) {
  element(id, HTMLElement).textContent = text;
}

async function poll() {
  try {
    const response = await fetch("state", { headers: authorization(), cache: "no-store" });
    if (response.status === 401) {
      showState("needs a key");
      show("model", "This server asks for an API key: see the settings.");
      return;
    }
    if (!response.ok) throw new Error(`status ${response.status}`);
    showServer(/** @type {ServerState} */ (await response.json()));
  } catch {
    showState("unreachable");
  }
}

/** @param {string} text */
function showState(text) {
  if (stateBadge.textContent === text) return;
  stateBadge.textContent = text;
  stateBadge.classList.toggle("ready", text === "ready");
}

/** @param {ServerState} server */
function showServer({ state, queue, model, kv, memory }) {
  showState(state);
  show("queue", `${queue.waiting} of ${queue.limit} waiting${queue.running ? ", one at work" : ""}`);
  if (model !== undefined) {
    modelName = model.name;
    show("model", `${model.name} on ${model.device}, template ${model.template}`);
    show(
      "modelled",
      model.modelledTokensPerSecond === null ? "–" : formatRate(model.modelledTokensPerSecond),
    );
  }
  if (kv !== undefined) show("kv-text", drawWindow(element("kv", SVGSVGElement), kv));
  if (memory !== undefined) show("banks-text", drawBanks(element("banks", HTMLOListElement), memory));
}

/**
 * @param {"user" | "assistant"} role
 * @param {string} text
 */
function addMessage(role, text) {
  empty.hidden = true;
  const article = document.createElement("article");
  article.className = `message ${role}`;
  const title = document.createElement("h3");
  title.textContent = role === "user" ? "You" : "Model";
  const content = document.createElement("p");
  content.textContent = text;
  article.append(title, content);
  log.append(article);
  log.scrollTop = log.scrollHeight;
  return { article, content };
}

/** @param {boolean} busy */
function setBusy(busy) {
  send.disabled = busy;
  stop.disabled = !busy;
  reset.disabled = busy;
}

async function ask() {
  const text = question.value;
  if (text.trim() === "" || answering !== undefined) return;
  question.value = "";
  error.textContent = "";
  announcement.textContent = "";
  messages.push({ role: "user", content: text });
  const asked = addMessage("user", text);
  const { article, content } = addMessage("assistant", "");
  answering = new AbortController();
  setBusy(true);
  const began = performance.now();
  let first = 0;
  let parts = 0;
  try {
    const settings = {
      system: element("system", HTMLTextAreaElement).value,
      temperature: element("temperature", HTMLInputElement).valueAsNumber,
      maxTokens: element("max-tokens", HTMLInputElement).valueAsNumber,
      seed: element("seed", HTMLInputElement).valueAsNumber,
    };
    const request = { model: modelName, messages, settings };
    for await (const part of streamChat(request, authorization(), answering.signal)) {
      if (part.text !== "") {
        parts++;
        if (first === 0) first = performance.now();
        content.textContent += part.text;
        show("first", `${Math.round(first - began)} ms`);
        const seconds = (performance.now() - first) / 1000;
        if (parts > 2 && seconds > 0.05) show("rate", formatRate((parts - 1) / seconds));
        if (log.scrollHeight - log.scrollTop - log.clientHeight < 120) log.scrollTop = log.scrollHeight;
      }
      if (part.rate != null) show("rate", formatRate(part.rate));
      if (part.promptTokens !== undefined) {
        show("reused", `${part.cachedTokens ?? 0} of ${part.promptTokens} tokens`);
      }
    }
  } catch (cause) {
    if (!answering.signal.aborted) {
      error.textContent = cause instanceof Error ? cause.message : String(cause);
    }
  } finally {
    const answer = content.textContent ?? "";
    if (answer === "") {
      // Nothing was said: the question goes back to where it can be sent again.
      messages.pop();
      asked.article.remove();
      article.remove();
      empty.hidden = messages.length > 0;
      if (question.value === "") question.value = text;
    } else {
      messages.push({ role: "assistant", content: answer });
      announcement.textContent = `The model wrote: ${answer}`;
    }
    answering = undefined;
    setBusy(false);
    question.focus();
    void poll();
  }
}

// Enter in a setting sends nothing.
element("settings", HTMLFormElement).addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("submit", (event) => {
  event.preventDefault();
  void ask();
});
question.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    form.requestSubmit();
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") answering?.abort();
});
stop.addEventListener("click", () => answering?.abort());
reset.addEventListener("click", () => {
  messages = [];
  for (const message of log.querySelectorAll(".message")) message.remove();
  empty.hidden = false;
  announcement.textContent = "";
  error.textContent = "";
  question.focus();
});

async function watch() {
  for (;;) {
    if (!document.hidden) await poll();
    await new Promise((resolve) =>
      setTimeout(resolve, answering === undefined ? POLL_MS.idle : POLL_MS.answering),
    );
  }
}
void watch();
