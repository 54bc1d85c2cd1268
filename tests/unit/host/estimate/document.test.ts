import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { plotSvg } from "../../../../host/estimate/document/plot.ts";
import { documentPlots } from "../../../../host/estimate/document/plots.ts";
import { documentTables, withTables } from "../../../../host/estimate/document/tables.ts";

const docs = new URL("../../../../docs/", import.meta.url);
const remedy = "run `npm run build && node scripts/plot-estimate.mjs` and commit the result";

describe("docs/timing.md", () => {
  let tables: Record<string, string>;
  beforeAll(async () => {
    tables = await documentTables();
  });

  it("has the tables that the model gives", () => {
    const page = readFileSync(new URL("timing.md", docs), "utf8");
    expect(page, remedy).toBe(withTables(page, tables));
  });

  it("has the plots that the model gives", async () => {
    for (const [name, svg] of Object.entries(await documentPlots())) {
      expect(readFileSync(new URL(`img/${name}`, docs), "utf8"), `${name}: ${remedy}`).toBe(svg);
    }
  });

  it("has a place for every table, and no place without one", () => {
    const page = readFileSync(new URL("timing.md", docs), "utf8");
    const places = [...page.matchAll(/<!-- (\w+) -->/g)]
      .map(([, name]) => name)
      .filter((name) => name !== "end");
    expect(places.toSorted()).toEqual(Object.keys(tables).toSorted());
    expect(() => withTables("<!-- unknown -->\n<!-- end -->", {})).toThrow("unknown");
  });
});

describe("plotSvg", () => {
  it("puts points where the axes say, linear and logarithmic", () => {
    const svg = plotSvg({
      title: "a < b",
      x: { label: "x", ticks: [0, 50, 100] },
      y: { label: "y", ticks: [1, 10, 100], log: true },
      series: [
        {
          name: "line",
          points: [
            [0, 1],
            [50, 10],
            [100, 100],
          ],
        },
      ],
    });
    // The frame reaches from (70, 370) to (570, 40).
    expect(svg).toContain('points="70.0,370.0 320.0,205.0 570.0,40.0"');
    expect(svg).toContain("a &lt; b");
  });
});
