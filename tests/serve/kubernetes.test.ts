import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse, parseAllDocuments, stringify } from "yaml";
import { type Manifest, problemsOf } from "./manifest-schemas.ts";

const folder = fileURLToPath(new URL("../../deploy/kubernetes", import.meta.url));
const has = (program: string, ...args: string[]) => spawnSync(program, args).status === 0;

/** The documents of a file, as new values each time. */
function manifestsOf(name: string): Manifest[] {
  return parseAllDocuments(readFileSync(join(folder, name), "utf8"), { strict: true }).map((document) => {
    expect(document.errors).toEqual([]);
    return document.toJS() as Manifest;
  });
}

/** Sets or, with undefined, takes away what lies at a path such as "spec.template.spec.containers.0.name". */
function change(manifest: Manifest, path: string, value: unknown): void {
  const keys = path.split(".");
  let at = manifest as unknown as Record<string, Record<string, never>>;
  for (const key of keys.slice(0, -1)) at = at[key]!;
  Object.assign(at, { [keys.at(-1)!]: value });
}

const container = "spec.template.spec.containers.0";

describe("manifests and the published schemas", () => {
  it("agree", () => {
    expect(problemsOf([...manifestsOf("accllm.yaml"), ...manifestsOf("podmonitor.yaml")])).toEqual([]);
  });

  it.each([
    ["a wrong type", "accllm.yaml", 0, "spec.replicas", "two"],
    ["a missing field", "accllm.yaml", 0, "spec.selector", undefined],
    ["a container without a name", "accllm.yaml", 0, `${container}.name`, undefined],
    ["a field that there is not", "accllm.yaml", 0, `${container}.readinesProbe`, { tcpSocket: { port: 1 } }],
    ["a misplaced field", "accllm.yaml", 0, "spec.terminationGracePeriodSeconds", 60],
    ["no quantity", "accllm.yaml", 0, `${container}.resources.limits.memory`, "8 Gigabytes"],
    ["a probe without a port", "accllm.yaml", 0, `${container}.readinessProbe.httpGet.port`, undefined],
    ["another version of the API", "accllm.yaml", 0, "apiVersion", "apps/v1beta9"],
    ["a service's port that is none", "accllm.yaml", 1, "spec.ports.0.port", "http"],
    ["no duration", "podmonitor.yaml", 0, "spec.podMetricsEndpoints.0.interval", "15 seconds"],
    ["an endpoint's unknown field", "podmonitor.yaml", 0, "spec.podMetricsEndpoints.0.route", "/metrics"],
  ])("refuse %s", (_, file, index, path, value) => {
    const manifest = manifestsOf(file)[index]!;
    change(manifest, path, value);
    expect(problemsOf([manifest])).not.toEqual([]);
  });
});

it("the parts belong together: ports, labels, keys, and more time to end than to drain", () => {
  interface Container {
    args: string[];
    ports: { name: string }[];
    env: { valueFrom: { secretKeyRef: object } }[];
    readinessProbe: { httpGet: { path: string; port: string } };
    resources: { limits: Record<string, unknown> };
    volumeMounts: { name: string }[];
  }
  const [deployment, service] = manifestsOf("accllm.yaml") as unknown as [
    {
      spec: {
        template: {
          metadata: { labels: object };
          spec: {
            terminationGracePeriodSeconds: number;
            containers: [Container];
            volumes: { name: string }[];
          };
        };
      };
    },
    { spec: { selector: object; ports: [{ targetPort: string }] } },
  ];
  const [monitor] = manifestsOf("podmonitor.yaml") as unknown as [
    {
      spec: {
        selector: { matchLabels: object };
        podMetricsEndpoints: [{ port: string; authorization: { credentials: object } }];
      };
    },
  ];
  const { metadata, spec } = deployment.spec.template;
  const [server] = spec.containers;
  const [endpoint] = monitor.spec.podMetricsEndpoints;
  expect(server.readinessProbe.httpGet).toEqual({ path: "/health", port: "http" });
  expect(server.ports.map(({ name }) => name)).toEqual(["http"]);
  expect([service.spec.ports[0].targetPort, endpoint.port]).toEqual(["http", "http"]);
  expect(metadata.labels).toEqual(service.spec.selector);
  expect(metadata.labels).toEqual(monitor.spec.selector.matchLabels);
  expect(endpoint.authorization.credentials).toEqual(server.env[0]!.valueFrom.secretKeyRef);
  expect(server.resources.limits["amd.com/xilinx_u280_gen3x16_xdma_base_1-0"]).toBe(1);
  expect(server.volumeMounts.map(({ name }) => name).sort()).toEqual(
    spec.volumes.map(({ name }) => name).sort(),
  );
  const drain = Number(/^--drain=(\d+)$/.exec(server.args.find((arg) => arg.startsWith("--drain="))!)![1]);
  expect(spec.terminationGracePeriodSeconds).toBeGreaterThan(drain);
});

it.skipIf(!has("kubectl", "version", "--client"))("kubectl renders the manifests (needs kubectl)", () => {
  const text = execFileSync("kubectl", ["kustomize", folder], { encoding: "utf8" });
  expect(text.match(/^kind: \w+$/gm)).toEqual(["kind: Service", "kind: Deployment"]);
});

it.skipIf(!has("promtool", "--version"))(
  "promtool takes the scrape configuration, but for the discovery of pods, which Debian's leaves out (needs promtool)",
  () => {
    const config = parse(readFileSync(join(folder, "prometheus.yaml"), "utf8")) as {
      scrape_configs: Record<string, unknown>[];
    };
    for (const one of config.scrape_configs) {
      expect(one.kubernetes_sd_configs).toEqual([{ role: "pod" }]);
      delete one.kubernetes_sd_configs;
      one.static_configs = [{ targets: ["127.0.0.1:8080"] }];
    }
    const scratch = mkdtempSync(join(tmpdir(), "accllm-promtool-"));
    try {
      const file = join(scratch, "prometheus.yaml");
      writeFileSync(file, stringify(config));
      execFileSync("promtool", ["check", "config", "--syntax-only", file]);
    } finally {
      rmSync(scratch, { recursive: true });
    }
  },
);
