/**
 * Cuts a text where no merge can ever join the two sides: between characters that no merge has as its seam. Byte
 * pair encoding gives the same tokens for the parts as for the whole, but in time linear in the text: tokenizers
 * without a pre-tokenizer, such as Llama 2's, otherwise sort the pairs of a whole book in one queue.
 * @param merges as in tokenizer.json: pairs, or pairs written with a space between.
 * @returns the function that cuts.
 */
export function mergeBoundaries(
  merges: readonly string[] | readonly (readonly [string, string])[],
): (text: string) => string[] {
  /** Last character of a merge's left side and first of its right side, together. */
  const seams = new Set<string>();
  for (const merge of merges) {
    const [left, right] = typeof merge === "string" ? merge.split(" ", 2) : merge;
    if (left && right) seams.add(lastCharacter(left) + String.fromCodePoint(right.codePointAt(0)!));
  }
  return (text) => {
    const parts: string[] = [];
    let start = 0;
    let position = 0;
    let previous = "";
    for (const character of text) {
      if (previous !== "" && !seams.has(previous + character)) {
        parts.push(text.slice(start, position));
        start = position;
      }
      position += character.length;
      previous = character;
    }
    if (start < text.length) parts.push(text.slice(start));
    return parts;
  };
}

function lastCharacter(text: string): string {
  const whole = text.codePointAt(text.length - 2);
  return whole !== undefined && whole > 0xffff ? text.slice(-2) : text.slice(-1);
}
