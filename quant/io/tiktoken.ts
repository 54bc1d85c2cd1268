import { InputError } from "../../host/errors.ts";
import { byteLevelTokenizer, characterOfByte, splittings } from "./byte-level.ts";
import type { TokenizerFiles } from "./tokenizer-files.ts";

/** Limits on a file of tiktoken ranks. */
export const TIKTOKEN_LIMITS = { tokens: 1 << 20, tokenBytes: 1_024 } as const;

const LINE = /^([A-Za-z0-9+/]+={0,2}) (\d{1,7})$/;
const RESERVED_TOKENS = 256;

/** Whether a file's beginning looks like tiktoken ranks, as opposed to a protocol buffer. */
export function looksLikeTiktoken(bytes: Uint8Array): boolean {
  const head = new TextDecoder("latin1").decode(bytes.subarray(0, 2_048));
  return LINE.test(head.slice(0, head.indexOf("\n")).trimEnd());
}

/**
 * Reads tiktoken ranks as Llama 3 is published with: a line per token, base64 of its bytes and its rank, which is its
 * id. Llama 3's 256 special tokens follow them. tiktoken joins the pair whose union has the lowest rank first, so
 * every split of a token into two tokens becomes a merge, ordered by the rank of the union.
 * @throws InputError where a line is something else, a rank is out of order, or a token occurs twice.
 */
export function tokenizerFromTiktoken(bytes: Uint8Array, path: string): TokenizerFiles {
  const bad = (message: string) => new InputError("TOKENIZER_INVALID", `${path}: ${message}.`);
  const ids = new Map<string, number>();
  for (const [index, line] of new TextDecoder("latin1").decode(bytes).split(/\r?\n/).entries()) {
    if (line === "") continue;
    const match = LINE.exec(line);
    if (match === null) throw bad(`line ${index + 1} is no token and rank`);
    const rank = Number(match[2]);
    if (rank !== ids.size)
      throw bad(`line ${index + 1} has the rank ${rank} where ${ids.size} was to follow`);
    if (ids.size === TIKTOKEN_LIMITS.tokens) throw bad(`it has more than ${TIKTOKEN_LIMITS.tokens} tokens`);
    const token = Buffer.from(match[1]!, "base64");
    if (token.length < 1 || token.length > TIKTOKEN_LIMITS.tokenBytes) {
      throw bad(
        `the token of line ${index + 1} has ${token.length} bytes; 1 to ${TIKTOKEN_LIMITS.tokenBytes} are accepted`,
      );
    }
    const piece = Array.from(token, (byte) => characterOfByte[byte]).join("");
    if (ids.has(piece)) throw bad(`the token of line ${index + 1} occurs twice`);
    ids.set(piece, rank);
  }
  if (!characterOfByte.every((character) => ids.has(character))) {
    throw bad("it lacks a token for one of the 256 bytes");
  }
  const added = llama3Special().map((content, i) => ({ id: ids.size + i, content, control: true }));
  const vocabulary = {
    pieces: [...ids.keys()],
    merges: mergesOf(ids),
    added,
    splitting: splittings.llama3,
    bos: "<|begin_of_text|>",
    eos: "<|end_of_text|>",
  };
  return { ...byteLevelTokenizer(vocabulary), chatTemplate: null };
}

function mergesOf(ids: ReadonlyMap<string, number>): [string, string][] {
  const merges: [string, string][] = [];
  for (const piece of ids.keys()) {
    const splits: [string, string][] = [];
    for (let cut = 1; cut < piece.length; cut++) {
      const pair: [string, string] = [piece.slice(0, cut), piece.slice(cut)];
      if (ids.has(pair[0]) && ids.has(pair[1])) splits.push(pair);
    }
    splits.sort((a, b) => ids.get(a[0])! - ids.get(b[0])! || ids.get(a[1])! - ids.get(b[1])!);
    for (const pair of splits) merges.push(pair);
  }
  return merges;
}

/** Llama 3's special tokens in the order of their ids (meta-llama/llama3, tokenizer.py). */
function llama3Special(): string[] {
  const named = [
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|reserved_special_token_0|>",
    "<|reserved_special_token_1|>",
    "<|reserved_special_token_2|>",
    "<|reserved_special_token_3|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|reserved_special_token_4|>",
    "<|eot_id|>",
  ];
  for (let i = 5; named.length < RESERVED_TOKENS; i++) named.push(`<|reserved_special_token_${i}|>`);
  return named;
}
