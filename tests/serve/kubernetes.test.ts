import { execFileSync, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const folder = fileURLToPath(new URL("../../deploy/kubernetes", import.meta.url));
const noKubectl = spawnSync("kubectl", ["version", "--client"]).status !== 0;

it.skipIf(noKubectl)("kubectl renders the manifests, whose parts belong together (needs kubectl)", () => {
  const text = execFileSync("kubectl", ["kustomize", folder], { encoding: "utf8" });
  expect(text.match(/^kind: \w+$/gm)).toEqual(["kind: Service", "kind: Deployment"]);
  expect(text).toMatch(/readinessProbe:\s+failureThreshold: 1\s+httpGet:\s+path: \/health\s+port: http/);
  expect(text).toMatch(/amd\.com\/xilinx_u280_gen3x16_xdma_base_1-0: 1/);
  // A pod is given longer to end than its server takes to drain.
  const drain = Number(/--drain=(\d+)/.exec(text)![1]);
  expect(Number(/terminationGracePeriodSeconds: (\d+)/.exec(text)![1])).toBeGreaterThan(drain);
});
