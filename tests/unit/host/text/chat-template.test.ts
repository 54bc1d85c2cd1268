import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type ChatMessage, ChatTemplate, chatTemplateOf } from "../../../../host/text/chat-template.ts";
import { PLAIN_TEMPLATES, type PlainTemplate } from "../../../../host/text/plain-templates.ts";
import { loadTokenizer } from "../../../../host/text/tokenizer.ts";
import { demoCheckpoint } from "../../shared-data.ts";

const messages: ChatMessage[] = [
  { role: "system", content: "Be brief." },
  { role: "user", content: "Hi" },
  { role: "assistant", content: "Hello" },
  { role: "user", content: "Bye" },
];
const render = (name: PlainTemplate, some = messages) =>
  new ChatTemplate(name, PLAIN_TEMPLATES[name], { bos: "<s>", eos: "</s>" }).render(some);

const tokenizer = loadTokenizer(
  readFileSync(`${demoCheckpoint}/tokenizer.json`),
  readFileSync(`${demoCheckpoint}/tokenizer_config.json`),
);
const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

describe("formats of the families, as their authors publish them", () => {
  it("Llama 2", () => {
    expect(render("llama2")).toBe(
      "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST] Hello </s><s>[INST] Bye [/INST]",
    );
    expect(render("llama2", messages.slice(1, 2))).toBe("<s>[INST] Hi [/INST]");
  });

  it("Llama 3", () => {
    expect(render("llama3", messages.slice(0, 2))).toBe(
      "<s><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    );
  });

  it("ChatML", () => {
    expect(render("chatml", messages.slice(0, 2))).toBe(
      "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    );
  });

  it("Zephyr", () => {
    expect(render("zephyr", messages.slice(0, 2))).toBe(
      "<|system|>\nBe brief.</s>\n<|user|>\nHi</s>\n<|assistant|>\n",
    );
  });

  it("plain: an answer goes straight on", () => {
    expect(render("plain")).toBe("Be brief.\nHiHello\nBye");
  });

  it("every conversation begins like the one before it, so that the cache is of use", () => {
    for (const name of Object.keys(PLAIN_TEMPLATES) as PlainTemplate[]) {
      const template = new ChatTemplate(name, PLAIN_TEMPLATES[name], { bos: "<s>", eos: "</s>" });
      const before = template.render(messages.slice(0, 2));
      expect(template.render(messages).startsWith(before.trimEnd()), name).toBe(true);
    }
  });
});

describe("chatTemplateOf", () => {
  const none = { tokenizer, chatTemplate: null, tokenizerConfig: null };

  it("takes the checkpoint's own: a file before tokenizer_config.json", () => {
    const config = json({ chat_template: "{{ bos_token }}config" });
    expect(chatTemplateOf({ ...none, tokenizerConfig: config }).render([])).toBe("<s>config");
    const both = {
      ...none,
      tokenizerConfig: config,
      chatTemplate: new TextEncoder().encode("file{{ eos_token }}"),
    };
    expect(chatTemplateOf(both).render([])).toBe("file</s>");
  });

  it("takes the default of several named ones", () => {
    const config = json({
      chat_template: [
        { name: "tool_use", template: "tools" },
        { name: "default", template: "usual" },
      ],
    });
    expect(chatTemplateOf({ ...none, tokenizerConfig: config }).render([])).toBe("usual");
  });

  it("takes what was asked for before all", () => {
    const config = json({ chat_template: "own" });
    expect(chatTemplateOf({ ...none, tokenizerConfig: config, override: "zephyr" }).name).toBe("zephyr");
    expect(chatTemplateOf({ ...none, tokenizerConfig: config, override: "mine" }).render([])).toBe("mine");
  });

  it("is plain for a model that was not trained to chat", () => {
    expect(chatTemplateOf(none).name).toBe("plain");
  });

  it("says what is wrong with a template, and what a template says is wrong with a conversation", () => {
    expect(() => chatTemplateOf({ ...none, override: "{% for %}" })).toThrow(/no Jinja template/);
    const strict = chatTemplateOf({ ...none, override: "{{ raise_exception('roles must alternate') }}" });
    expect(() => strict.render(messages)).toThrow(/roles must alternate/);
  });

  it("knows the texts that end a turn", () => {
    expect(chatTemplateOf({ ...none, override: "chatml" }).turnEnds).toEqual(["<|im_end|>"]);
    expect(chatTemplateOf({ ...none, override: "plain" }).turnEnds).toEqual([]);
  });
});
