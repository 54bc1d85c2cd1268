import type { TokenConstraint } from "../engine/generate.ts";
import { JsonVocabulary } from "../sampling/json-constraint.ts";
import type { Tokenizer } from "../text/tokenizer.ts";

const vocabularies = new WeakMap<Tokenizer, JsonVocabulary>();

/** A constraint that keeps one text a JSON object; what is known of the vocabulary is shared between texts. */
export function jsonConstraint({ tokenizer }: { readonly tokenizer: Tokenizer }): TokenConstraint {
  let vocabulary = vocabularies.get(tokenizer);
  if (vocabulary === undefined) {
    vocabulary = new JsonVocabulary(tokenizer);
    vocabularies.set(tokenizer, vocabulary);
  }
  return vocabulary.begin();
}
