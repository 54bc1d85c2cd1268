/** First ids: unknown, begin and end of sequence, then one token a byte, as Llama's tokenizers have them. */
const firstText = 3 + 256;
const letters = "abcdefghijklmnopqrstuvwxyz";

/**
 * A tokenizer.json of the given size with byte tokens and made-up words built by merges, so that loading it costs
 * what a real one costs.
 * @param vocabSize at least 290
 */
export function syntheticTokenizer(vocabSize: number): Uint8Array {
  const vocabulary = new Map<string, number>();
  const add = (text: string) => {
    if (vocabulary.size < vocabSize && !vocabulary.has(text)) vocabulary.set(text, vocabulary.size);
  };
  for (const text of ["<unk>", "<s>", "</s>"]) add(text);
  for (let byte = 0; byte < 256; byte++) add(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
  const singles = ["▁", ...letters];
  for (const text of singles) add(text);
  const merges: string[] = [];
  // Every word is made by one merge of two that are there already.
  let known = singles;
  while (vocabulary.size < vocabSize) {
    const made: string[] = [];
    for (const head of known) {
      for (const tail of letters) {
        if (vocabulary.size >= vocabSize) break;
        add(head + tail);
        made.push(head + tail);
        merges.push(`${head} ${tail}`);
      }
    }
    known = made;
  }
  const special = (id: number, content: string) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  });
  const json = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [special(0, "<unk>"), special(1, "<s>"), special(2, "</s>")],
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "Prepend", prepend: "▁" },
        { type: "Replace", pattern: { String: " " }, content: "▁" },
      ],
    },
    pre_tokenizer: null,
    post_processor: {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
      pair: [
        { SpecialToken: { id: "<s>", type_id: 0 } },
        { Sequence: { id: "A", type_id: 0 } },
        { Sequence: { id: "B", type_id: 0 } },
      ],
      special_tokens: { "<s>": { id: "<s>", ids: [1], tokens: ["<s>"] } },
    },
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "▁" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        { type: "Strip", content: " ", start: 1, stop: 0 },
      ],
    },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: "<unk>",
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      vocab: Object.fromEntries(vocabulary),
      merges,
    },
  };
  return new TextEncoder().encode(JSON.stringify(json));
}

/** Ids of ordinary text, none of them special: `count` of them from `next`, a source of 32 random bits. */
export function textIds(count: number, vocabSize: number, next: () => number): number[] {
  return Array.from({ length: count }, () => firstText + (next() % (vocabSize - firstText)));
}
