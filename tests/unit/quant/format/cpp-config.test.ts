import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { cppConfigHeader } from "../../../../quant/format/cpp-config.ts";

it("the C++ configurations in the tree are those the schema generates", () => {
  const committed = new URL("../../../../hls/include/accllm/generated/config.hpp", import.meta.url);
  expect(
    readFileSync(committed, "utf8"),
    "run `npm run build && node scripts/generate-header.mjs` and commit the result",
  ).toBe(cppConfigHeader());
});
