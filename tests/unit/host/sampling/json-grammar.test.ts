import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { JsonVocabulary } from "../../../../host/sampling/json-constraint.ts";
import { isJsonWhole, JSON_START, type JsonState, jsonStep } from "../../../../host/sampling/json-grammar.ts";

/** The state after a text, undefined where it is no beginning of an object. */
function stateAfter(text: string | Uint8Array): JsonState | undefined {
  let state: JsonState | undefined = JSON_START;
  for (const byte of typeof text === "string" ? new TextEncoder().encode(text) : text) {
    state = jsonStep(state, byte);
    if (state === undefined) return undefined;
  }
  return state;
}

const whole = (text: string) => {
  const state = stateAfter(text);
  return state !== undefined && isJsonWhole(state);
};

/** What JSON.parse takes as an object. */
function parses(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

describe("the grammar, held against JSON.parse", () => {
  it("takes every object that JSON.stringify writes", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: "grapheme" }), fc.jsonValue({ maxDepth: 4 })), (value) => {
        expect(whole(JSON.stringify(value))).toBe(true);
        expect(whole(JSON.stringify(value, null, 1))).toBe(true);
      }),
    );
  });

  it("agrees on texts put together from JSON's parts", () => {
    const parts = [
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"a"',
      '"',
      '\\"',
      "\\u00e9",
      "\\u00",
      "1",
      "0",
      "01",
      "-",
      ".",
      "e",
      "+",
      "true",
      "nul",
      "l",
      " ",
      "\n",
      "x",
      "é",
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...parts), { maxLength: 8 }), (some) => {
        const text = `{"k":${some.join("")}}`;
        // Runs of white space are cut short on purpose; these are not generated.
        fc.pre(!/\s\n|\s{9}/.test(text));
        expect(whole(text), text).toBe(parses(text));
      }),
      { numRuns: 5_000 },
    );
  });

  it.each([
    '{"a":1,}',
    "{,}",
    "[1]",
    '"a"',
    '{"a" 1}',
    '{"a":01}',
    '{"a":1.}',
    '{"a":.5}',
    '{"a":+1}',
    '{"a":\t"\t"}',
    "{}{",
  ])("refuses %s", (text) => {
    expect(whole(text)).toBe(false);
  });

  it("takes no bytes that are no UTF-8", () => {
    for (const bytes of [
      [0xff],
      [0xc0, 0x80],
      [0xe0, 0x80, 0x80],
      [0xed, 0xa0, 0x80],
      [0xf5],
      [0xc3, 0x22],
    ]) {
      expect(stateAfter(Uint8Array.from([0x7b, 0x22, ...bytes])), String(bytes)).toBeUndefined();
    }
  });

  it("ends runs of white space", () => {
    expect(stateAfter(`{${" ".repeat(50)}`)).toBeUndefined();
    expect(stateAfter("{\n\n")).toBeUndefined();
    expect(stateAfter('{\n    "a": 1')).toBeDefined();
  });
});

it("a vocabulary's allowed tokens are those that keep the text a beginning", () => {
  const tokens = ["", "{", "}", '{"', '"', "a", '":', "1", "}}", " ", "true", '"}'].map((text) =>
    new TextEncoder().encode(text),
  );
  const text = new JsonVocabulary({ vocabSize: tokens.length, tokenBytes: (id) => tokens[id]! }).begin();
  const allowed = () => {
    const logits = new Float32Array(tokens.length);
    text.restrict(logits);
    return [...logits.keys()].filter((id) => logits[id] === 0);
  };
  expect(allowed()).toEqual([1, 3, 9]);
  text.accept(3);
  // Within a key everything may follow but `"}`, which would end it and go on wrongly.
  expect(allowed()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  text.accept(6);
  expect(allowed()).toEqual([1, 3, 4, 6, 7, 9, 10, 11]);
  text.accept(10);
  expect(allowed()).toEqual([2, 9]);
  text.accept(2);
  expect(text.complete).toBe(true);
  expect(() => text.restrict(new Float32Array(tokens.length))).toThrow(/cannot write/);
});
