import { expect, it } from "vitest";
import { LongText } from "../../../../host/text/long-text.ts";

it("is the text of its pieces in order, of any number of them and at any time", () => {
  const text = new LongText();
  expect(`${text}`).toBe("");
  let expected = "";
  for (let i = 0; i < 5000; i++) {
    const piece = i % 7 === 3 ? "" : `${i} é\u{1f600}`;
    text.add(piece);
    expected += piece;
    if ([0, 1, 1192, 1193, 1194, 2047, 2048, 4999].includes(i)) expect(`${text}`).toBe(expected);
  }
});
