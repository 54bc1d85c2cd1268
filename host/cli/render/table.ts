import { stripVTControlCharacters } from "node:util";

/** Where a column's text stands. */
export type Alignment = "left" | "right";

/**
 * Rows as lines of aligned columns, two spaces between them and none at the end. Colors do not count as width.
 * @param alignments per column; left where absent
 */
export function renderTable(
  rows: readonly (readonly string[])[],
  alignments: readonly Alignment[] = [],
): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [c, cell] of row.entries()) widths[c] = Math.max(widths[c] ?? 0, width(cell));
  }
  const lines = rows.map((row) =>
    row
      .map((cell, c) => {
        const padding = " ".repeat(widths[c]! - width(cell));
        return alignments[c] === "right" ? padding + cell : cell + padding;
      })
      .join("  ")
      .trimEnd(),
  );
  return lines.map((line) => `${line}\n`).join("");
}

/** Names and values, one pair a line. */
export function renderPairs(pairs: readonly (readonly [name: string, value: string])[]): string {
  return renderTable(pairs);
}

function width(cell: string): number {
  return stripVTControlCharacters(cell).length;
}
