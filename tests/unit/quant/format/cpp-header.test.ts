import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { cppHeader } from "../../../../quant/format/cpp-header.ts";

it("the C++ header in the tree is the one the schema generates", () => {
  const committed = new URL("../../../../hls/include/accllm/generated/format.hpp", import.meta.url);
  expect(
    readFileSync(committed, "utf8"),
    "run `npm run build && node scripts/generate-header.mjs` and commit the result",
  ).toBe(cppHeader());
});
