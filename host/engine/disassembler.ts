import {
  activationBuffers,
  descriptorBytes,
  descriptorFields,
  descriptorFlags,
  descriptorWords,
  operations,
} from "../../quant/format/command.ts";
import { weightFormats } from "../../quant/format/weight-layout.ts";
import { UsageError } from "../errors.ts";
import { float32Bits, float32Value } from "./commands.ts";

/** Fields whose values have names. */
const namedValues: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  format: Object.fromEntries(Object.entries(weightFormats).map(([name, { code }]) => [name, code])),
  destination: activationBuffers,
  buffer: activationBuffers,
};
const floatSuffix = "Bits";
const quietNaN = 0x7fc00000;

/**
 * A command stream as text, one line a descriptor: the operation, its flags if any, its fields by name. Values with
 * names show by name, fields of float32 bits as the shortest decimal that gives the same float32; words that no
 * field names show where they are not zero. {@link assemble} gives the same bytes back.
 */
export function disassemble(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const lines: string[] = [];
  for (let at = 0; at + descriptorBytes <= bytes.length; at += descriptorBytes) {
    const words = Array.from({ length: descriptorWords }, (_, w) => view.getUint32(at + 4 * w, true));
    lines.push(describe(words));
  }
  return lines.join("\n");
}

function describe(words: readonly number[]): string {
  const name = nameOf(operations, words[0]!);
  const fields = fieldsOf(name);
  const parts = [name ?? String(words[0])];
  if (words[1] !== 0) parts.push(`flags=${describeFlags(words[1]!)}`);
  for (const [field, word] of Object.entries(fields)) {
    const value = words[word]!;
    if (field.endsWith(floatSuffix)) {
      parts.push(`${field.slice(0, -floatSuffix.length)}=${describeFloat(value)}`);
    } else {
      const names = namedValues[field];
      parts.push(`${field}=${(names && nameOf(names, value)) ?? value}`);
    }
  }
  const named = new Set<number>([0, 1, ...Object.values(fields)]);
  words.forEach((value, word) => {
    if (!named.has(word) && value !== 0) parts.push(`word${word}=${value}`);
  });
  return parts.join(" ");
}

/**
 * Text of {@link disassemble} back to a command stream. Empty lines and what follows a `#` do not count.
 * @throws UsageError naming the line and the word that cannot be read
 */
export function assemble(text: string): Uint8Array {
  const rows = text
    .split("\n")
    .map((line, i) => ({ number: i + 1, parts: line.replace(/#.*/, "").trim().split(/\s+/) }))
    .filter(({ parts }) => parts[0] !== "");
  const bytes = new Uint8Array(rows.length * descriptorBytes);
  const view = new DataView(bytes.buffer);
  rows.forEach(({ number, parts }, i) => {
    parseLine(parts, number).forEach((value, word) => {
      view.setUint32(i * descriptorBytes + 4 * word, value, true);
    });
  });
  return bytes;
}

function parseLine([name, ...assignments]: readonly string[], line: number): number[] {
  const words = new Array<number>(descriptorWords).fill(0);
  const known = numberOf(operations, name!);
  words[0] = known ?? parseWord(name!, line);
  const fields = fieldsOf(nameOf(operations, words[0]));
  for (const assignment of assignments) {
    const [key = "", value = ""] = assignment.split("=");
    const raw = /^word(\d+)$/.exec(key);
    const floatWord = numberOf(fields, key + floatSuffix);
    const word = raw ? Number(raw[1]) : key === "flags" ? 1 : (floatWord ?? numberOf(fields, key));
    if (word === undefined || word >= descriptorWords) throw unreadable(line, assignment);
    if (key === "flags") words[word] = parseFlags(value, line);
    else if (floatWord !== undefined) words[word] = parseFloat32(value, line);
    else words[word] = numberOf(namedValues[key] ?? {}, value) ?? parseWord(value, line);
  }
  return words;
}

function describeFlags(bits: number): string {
  const parts: string[] = [];
  let rest = bits;
  for (const [name, bit] of Object.entries(descriptorFlags)) {
    if ((bits & bit) === 0) continue;
    parts.push(name);
    rest -= bit;
  }
  if (rest !== 0) parts.push(String(rest));
  return parts.join("+");
}

function parseFlags(text: string, line: number): number {
  return text
    .split("+")
    .reduce((bits, part) => bits + (numberOf(descriptorFlags, part) ?? parseWord(part, line)), 0);
}

function describeFloat(bits: number): string {
  const value = float32Value(bits);
  if (Number.isNaN(value)) return bits === quietNaN ? "NaN" : `0x${bits.toString(16).padStart(8, "0")}`;
  if (Object.is(value, -0)) return "-0";
  if (!Number.isFinite(value)) return String(value);
  for (let digits = 1; digits < 9; digits++) {
    const text = String(Number(value.toPrecision(digits)));
    if (Math.fround(Number(text)) === value) return text;
  }
  return String(Number(value.toPrecision(9)));
}

function parseFloat32(text: string, line: number): number {
  if (text === "NaN") return quietNaN;
  if (text.startsWith("0x")) return parseWord(text, line);
  const value = Number(text);
  if (text === "" || Number.isNaN(value)) throw unreadable(line, text);
  return float32Bits(value);
}

function parseWord(text: string, line: number): number {
  const value = /^(\d+|0x[\da-f]+)$/i.test(text) ? Number(text) : Number.NaN;
  if (!(value <= 0xffffffff)) throw unreadable(line, text);
  return value;
}

function unreadable(line: number, what: string): UsageError {
  return new UsageError("BAD_ASSEMBLY", `Line ${line} of the command stream: "${what}" cannot be read.`, {
    hint: "A line is an operation and its fields as name=value, as disassembling writes it.",
  });
}

function fieldsOf(operation: string | undefined): Readonly<Record<string, number>> {
  return operation === undefined ? {} : descriptorFields[operation as keyof typeof descriptorFields];
}

function nameOf(names: Readonly<Record<string, number>>, value: number): string | undefined {
  return Object.keys(names).find((name) => names[name] === value);
}

function numberOf(names: Readonly<Record<string, number>>, name: string): number | undefined {
  return Object.hasOwn(names, name) ? names[name] : undefined;
}
