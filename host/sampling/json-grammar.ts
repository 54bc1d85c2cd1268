/**
 * JSON (RFC 8259) byte by byte: what may follow what. A state is a string, so that states can be compared and kept
 * in maps: what is expected, one character, its counter, and the open brackets from the outside in.
 *
 * Expected: S the object that the text is, v a value, f the first value or ], k a key, K the first key or },
 * c a colon, n what follows a value, s characters of a string, q of a key, e/E after a backslash in them,
 * u/U hexadecimal digits (counter left), t/T bytes of a character (which are left), numbers - 0 i . d x y z,
 * literals l (the rest follows a slash), D nothing more.
 */
export type JsonState = string;

export const JSON_START: JsonState = "S0:";
const MAX_DEPTH = 64;
/** Spaces in a row at most, so that a model cannot go on with them for ever; enough for indentation. */
const MAX_SPACES = 9;

const LITERALS: Readonly<Record<string, string>> = { t: "rue", f: "alse", n: "ull" };

/** The state after one more byte, undefined where it cannot follow. */
export function jsonStep(state: JsonState, byte: number): JsonState | undefined {
  const mode = state[0]!;
  const colon = state.indexOf(":");
  const counter = state.slice(1, colon);
  const stack = state.slice(colon + 1);
  if (byte >= 0x80) return highByte(mode, counter, stack, byte);
  const character = String.fromCharCode(byte);
  switch (mode) {
    case "s":
    case "q":
      return stringStep(mode, stack, character, byte);
    case "e":
    case "E":
      return escapeStep(mode === "e" ? "s" : "q", stack, character);
    case "u":
    case "U": {
      if (!/[0-9a-fA-F]/.test(character)) return undefined;
      if (counter === "1") return `${mode === "u" ? "s" : "q"}0:${stack}`;
      return `${mode}${Number(counter) - 1}:${stack}`;
    }
    case "t":
    case "T":
    case "D":
      return undefined;
    case "l": {
      if (counter[0] !== character) return undefined;
      return counter.length === 1 ? afterValue(stack) : `l${counter.slice(1)}:${stack}`;
    }
  }
  if ("-0i.dxyz".includes(mode)) return numberStep(mode, stack, character);
  if (" \t\n\r".includes(character)) {
    const spaces = Number(counter);
    // A line break begins a row of spaces, so that there are no empty lines.
    if (spaces === MAX_SPACES || (spaces > 0 && character !== " ")) return undefined;
    return `${mode}${spaces + 1}:${stack}`;
  }
  return structureStep(mode, stack, character);
}

/** Whether the text is a whole object. */
export function isJsonWhole(state: JsonState): boolean {
  return state[0] === "D";
}

function structureStep(mode: string, stack: string, character: string): JsonState | undefined {
  switch (mode) {
    case "S":
      return character === "{" ? "K0:o" : undefined;
    case "k":
    case "K":
      if (character === '"') return `q0:${stack}`;
      return mode === "K" && character === "}" ? afterValue(stack.slice(0, -1)) : undefined;
    case "c":
      return character === ":" ? `v0:${stack}` : undefined;
    case "n":
      if (character === ",") return `${stack.endsWith("o") ? "k" : "v"}0:${stack}`;
      return character === (stack.endsWith("o") ? "}" : "]") ? afterValue(stack.slice(0, -1)) : undefined;
    case "f":
      if (character === "]") return afterValue(stack.slice(0, -1));
      return valueStep(stack, character);
    default:
      return valueStep(stack, character);
  }
}

function valueStep(stack: string, character: string): JsonState | undefined {
  if (character === '"') return `s0:${stack}`;
  if (character === "{" || character === "[") {
    if (stack.length >= MAX_DEPTH) return undefined;
    return character === "{" ? `K0:${stack}o` : `f0:${stack}a`;
  }
  if (character === "-") return `-0:${stack}`;
  if (character === "0") return `00:${stack}`;
  if (character >= "1" && character <= "9") return `i0:${stack}`;
  const rest = LITERALS[character];
  return rest === undefined ? undefined : `l${rest}:${stack}`;
}

function afterValue(stack: string): JsonState {
  return stack === "" ? "D0:" : `n0:${stack}`;
}

function stringStep(mode: "s" | "q", stack: string, character: string, byte: number): JsonState | undefined {
  if (character === '"') return mode === "q" ? `c0:${stack}` : afterValue(stack);
  if (character === "\\") return `${mode === "s" ? "e" : "E"}0:${stack}`;
  return byte < 0x20 ? undefined : `${mode}0:${stack}`;
}

function escapeStep(mode: "s" | "q", stack: string, character: string): JsonState | undefined {
  if (character === "u") return `${mode === "s" ? "u" : "U"}4:${stack}`;
  return '"\\/bfnrt'.includes(character) ? `${mode}0:${stack}` : undefined;
}

/** - minus, 0 a leading zero, i the integer part, . the point, d decimals, x the e, y its sign, z its digits. */
function numberStep(mode: string, stack: string, character: string): JsonState | undefined {
  const digit = character >= "0" && character <= "9";
  const to = (next: string) => `${next}0:${stack}`;
  if (digit) {
    if (mode === "-") return to(character === "0" ? "0" : "i");
    if (mode === "0") return undefined;
    return to(mode === "." ? "d" : mode === "x" || mode === "y" ? "z" : mode);
  }
  if (character === "." && (mode === "0" || mode === "i")) return to(".");
  if ((character === "e" || character === "E") && "0id".includes(mode)) return to("x");
  if ((character === "+" || character === "-") && mode === "x") return to("y");
  if (!"0idz".includes(mode)) return undefined;
  return jsonStep(afterValue(stack), character.charCodeAt(0));
}

/** Continuation bytes to come after a leading byte, or the special case of the first of them (Unicode, table 3-7). */
function continuation(byte: number): string | undefined {
  if (byte >= 0xc2 && byte < 0xe0) return "1";
  if (byte === 0xe0) return "A";
  if (byte === 0xed) return "B";
  if (byte >= 0xe1 && byte < 0xf0) return "2";
  if (byte === 0xf0) return "C";
  if (byte > 0xf0 && byte < 0xf4) return "3";
  return byte === 0xf4 ? "D" : undefined;
}

/** By what is to come: the range of the next byte, and what is to come after it. */
const CONTINUATIONS: Readonly<Record<string, readonly [low: number, high: number, then: string]>> = {
  "1": [0x80, 0xbf, ""],
  "2": [0x80, 0xbf, "1"],
  "3": [0x80, 0xbf, "2"],
  A: [0xa0, 0xbf, "1"],
  B: [0x80, 0x9f, "1"],
  C: [0x90, 0xbf, "2"],
  D: [0x80, 0x8f, "2"],
};

/** Bytes of characters outside ASCII, which only strings have. */
function highByte(mode: string, counter: string, stack: string, byte: number): JsonState | undefined {
  if (mode === "t" || mode === "T") {
    const [low, high, then] = CONTINUATIONS[counter]!;
    if (byte < low || byte > high) return undefined;
    if (then === "") return `${mode === "t" ? "s" : "q"}0:${stack}`;
    return `${mode}${then}:${stack}`;
  }
  if (mode !== "s" && mode !== "q") return undefined;
  const more = continuation(byte);
  return more === undefined ? undefined : `${mode === "s" ? "t" : "T"}${more}:${stack}`;
}
