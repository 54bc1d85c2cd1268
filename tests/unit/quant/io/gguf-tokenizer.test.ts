import { describe, expect, it } from "vitest";
import { loadTokenizer, type Tokenizer } from "../../../../host/text/tokenizer.ts";
import { characterOfByte } from "../../../../quant/io/byte-level.ts";
import { tokenizerFromGgufMetadata } from "../../../../quant/io/gguf-tokenizer.ts";

/** Pairs that would be joined if they were in one word. */
const merges = ["1 2", "' S", "( a", "Ġ 1", "Ġ b"];
const joined = merges.map((merge) => merge.replace(" ", ""));
/** A word of the vocabulary that no merges lead to. */
const whole = "xyz";
const control = "<|end|>";
const added = "<tool>";
const pieces = [...characterOfByte, ...joined, whole, control, added];

function tokenizerOf(pre: string): Tokenizer {
  const { tokenizerJson, tokenizerConfig } = tokenizerFromGgufMetadata(
    {
      "tokenizer.ggml.model": "gpt2",
      "tokenizer.ggml.pre": pre,
      "tokenizer.ggml.tokens": pieces,
      "tokenizer.ggml.token_type": pieces.map((piece) => (piece === control ? 3 : piece === added ? 4 : 1)),
      "tokenizer.ggml.merges": merges,
      "tokenizer.ggml.bos_token_id": pieces.indexOf(control),
      "tokenizer.ggml.eos_token_id": pieces.indexOf(control),
    },
    "model.gguf",
  );
  return loadTokenizer(tokenizerJson, tokenizerConfig);
}

describe("a byte-level tokenizer in a GGUF file's metadata", () => {
  // What becomes of a text by the three families' published tokenizer.json: which pairs are in one word.
  it.each([
    ["12", { llama3: ["12"], qwen2: ["1", "2"], smollm: ["1", "2"] }],
    [" 1", { llama3: ["Ġ", "1"], qwen2: ["Ġ", "1"], smollm: ["Ġ", "1"] }],
    ["a b", { llama3: ["a", "Ġb"], qwen2: ["a", "Ġb"], smollm: ["a", "Ġb"] }],
    ["a'S", { llama3: ["a", "'S"], qwen2: ["a", "'S"], smollm: ["a", "'", "S"] }],
    ["(a", { llama3: ["(a"], qwen2: ["(a"], smollm: ["(", "a"] }],
    ["xyz", { llama3: ["xyz"], qwen2: ["x", "y", "z"], smollm: ["x", "y", "z"] }],
    ["e\u0301", { llama3: ["e", "Ì", "ģ"], qwen2: ["Ã", "©"], smollm: ["e", "Ì", "ģ"] }],
    ["a<tool>b", { llama3: ["a", added, "b"], qwen2: ["a", added, "b"], smollm: ["a", added, "b"] }],
  ])("splits %j as Llama 3, Qwen2 and SmolLM do", (text, expected) => {
    for (const [pre, words] of Object.entries(expected)) {
      const ids = tokenizerOf(pre).encode(text);
      expect([pre, ids.map((id) => pieces[id])]).toEqual([pre, words]);
    }
  });

  it.each(["llama3", "qwen2", "smollm"])("shows what was added and hides what controls, %s", (pre) => {
    const tokenizer = tokenizerOf(pre);
    expect(tokenizer.decode(tokenizer.encode(`xyz 12${added}${control}`))).toBe(`xyz 12${added}`);
    expect(tokenizer.bosId).toBe(pieces.indexOf(control));
  });

  it("names the splits there are where it has another", () => {
    expect(() => tokenizerOf("tekken")).toThrow(/qwen2/);
  });
});
