import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StopFilter } from "../../../../host/text/stop.ts";

/** The definition, on the whole text: cut before the stop string that is complete first, the longest of several. */
function truncate(text: string, stops: readonly string[]): { text: string; stopped: boolean } {
  for (let end = 1; end <= text.length; end++) {
    const ending = stops.filter((stop) => stop !== "" && text.slice(0, end).endsWith(stop));
    if (ending.length > 0) {
      return { text: text.slice(0, end - Math.max(...ending.map((stop) => stop.length))), stopped: true };
    }
  }
  return { text, stopped: false };
}

function stream(pieces: readonly string[], stops: readonly string[]): { text: string; stopped: boolean } {
  const filter = new StopFilter(stops);
  let text = "";
  let stopped = false;
  for (const piece of pieces) {
    const step = filter.push(piece);
    text += step.text;
    stopped = step.stopped;
  }
  return { text: text + filter.flush(), stopped };
}

describe("StopFilter", () => {
  // A small alphabet makes stops, near misses and overlaps frequent.
  const text = (maxLength: number) =>
    fc.array(fc.constantFrom("a", "b", "\n", "é", "🙂"), { maxLength }).map((letters) => letters.join(""));

  it("gives the truncated whole text, however it is divided", () => {
    fc.assert(
      fc.property(
        fc.array(text(6), { maxLength: 12 }),
        fc.array(text(4), { maxLength: 4 }),
        (pieces, stops) => {
          expect(stream(pieces, stops)).toEqual(truncate(pieces.join(""), stops));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("never shows more than the truncated text, and holds back at most one character less than a stop", () => {
    fc.assert(
      fc.property(
        fc.array(text(3), { maxLength: 12 }),
        fc.array(text(4), { minLength: 1, maxLength: 3 }),
        (pieces, stops) => {
          const filter = new StopFilter(stops);
          const longest = Math.max(...stops.map((stop) => stop.length));
          let seen = "";
          let shown = "";
          for (const piece of pieces) {
            seen += piece;
            const step = filter.push(piece);
            shown += step.text;
            expect(truncate(seen, stops).text.startsWith(shown)).toBe(true);
            if (!step.stopped)
              expect(seen.length - shown.length).toBeLessThanOrEqual(Math.max(0, longest - 1));
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it("finds a stop that spans pieces and swallows what follows", () => {
    expect(stream(["The end.", "\n", "\nUser", ": more"], ["\n\nUser:"])).toEqual({
      text: "The end.",
      stopped: true,
    });
  });

  it("takes the stop that is complete first, in one piece as in many", () => {
    expect(stream(["xabcd"], ["abcd", "bc"])).toEqual({ text: "xa", stopped: true });
    expect(stream([..."xabcd"], ["abcd", "bc"])).toEqual({ text: "xa", stopped: true });
  });

  it("stays stopped", () => {
    const filter = new StopFilter(["."]);
    expect(filter.push("a.b")).toEqual({ text: "a", stopped: true });
    expect(filter.push("c")).toEqual({ text: "", stopped: true });
    expect(filter.flush()).toBe("");
  });
});
