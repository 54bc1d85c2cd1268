import { expect, it } from "vitest";
import { addResources } from "../../../../host/estimate/card.ts";
import { designOf } from "../../../../host/estimate/design.ts";
import { calibratedWattsPerLut } from "../../../../host/estimate/power.ts";
import { estimatePublished, published, publishedAblation } from "../../../../host/estimate/published.ts";
import { designModules } from "../../../../host/estimate/resources.ts";

it("the published configuration lands within 10 % of its 164 tokens/s", () => {
  expect(estimatePublished().tokensPerSecond / published.tokensPerSecond).toBeGreaterThan(0.9);
  expect(estimatePublished().tokensPerSecond / published.tokensPerSecond).toBeLessThan(1.1);
});

it.each(["pruning", "w2", "kv4", "packing"] as const)("its ablation of %s is met within 15 %%", (name) => {
  const ratio = publishedAblation()[name] / published.ablation[name];
  expect(ratio).toBeGreaterThan(0.85);
  expect(ratio).toBeLessThan(1.15);
});

it("a toggling LUT takes some tens of microwatts, as the calibration on 33 W must find", () => {
  const memories = addResources(designModules(designOf("u280")).map((module) => module.resources));
  const microwatts = calibratedWattsPerLut(memories) * 1e6;
  expect(microwatts).toBeGreaterThan(10);
  expect(microwatts).toBeLessThan(100);
});
