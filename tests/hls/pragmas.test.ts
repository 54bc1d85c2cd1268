import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { lintPragmas } from "./pragma-lint.ts";

const root = new URL("../../hls/", import.meta.url).pathname;
const sources = ["kernels", "dataflow", "include/accllm"].flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => /\.[ch]pp$/.test(name))
    .map((name) => join(folder, name)),
);

describe("pragmas of the HLS sources", () => {
  it.each(sources)("%s", (path) => {
    expect(lintPragmas(readFileSync(join(root, path), "utf8"))).toEqual([]);
  });

  it("there are pragmas to look at", () => {
    const all = sources.map((path) => readFileSync(join(root, path), "utf8")).join("\n");
    expect(all.match(/#pragma HLS/g)!.length).toBeGreaterThan(100);
  });
});

describe("planted mistakes", () => {
  const planted: [string, string][] = [
    ["#pragma HLS PIPEPLINE II = 1", "unknown pragma PIPEPLINE"],
    ["#pragma HSL PIPELINE II = 1", "not an HLS pragma"],
    ["#pragma HLS PIPELINE I = 1", "PIPELINE has no option I"],
    ["#pragma HLS PIPELINE II", "II lacks its value"],
    ["#pragma HLS PIPELINE II = 1 II = 2", "II is given twice"],
    ["#pragma HLS UNROLL factor = -2", "factor takes a number, not -2"],
    ["#pragma HLS ARRAY_PARTITION complete dim = 1", "ARRAY_PARTITION lacks variable"],
    ["#pragma HLS ARRAY_PARTITION variable = sum type = cyclical", "type does not take cyclical"],
    ["#pragma HLS BIND_STORAGE variable = table type = ram_2p impl = ultra", "impl does not take ultra"],
    ["#pragma HLS INTERFACE maxi port = w0", "INTERFACE has no option maxi"],
    ["#pragma HLS INTERFACE m_axi port = w0 ofset = slave", "INTERFACE has no option ofset"],
    ["#pragma HLS LOOP_TRIPCOUNT min = 1", "LOOP_TRIPCOUNT lacks max"],
    ["#pragma HLS INLINE off = true", "off takes no value"],
  ];
  it.each(planted)("%s", (line, problem) => {
    expect(lintPragmas(`int x;\n  ${line}\n`)).toEqual([{ line: 2, text: line, problem }]);
  });

  it("what UG1399 allows is not found", () => {
    const allowed = [
      "#pragma once",
      "#pragma HLS pipeline II=1 style=flp",
      "#pragma HLS DEPENDENCE variable = v inter false",
      "#pragma HLS array_partition variable=a cyclic factor=4 dim=2",
      "#pragma HLS INTERFACE s_axilite port = return",
    ];
    expect(lintPragmas(allowed.join("\n"))).toEqual([]);
  });
});
