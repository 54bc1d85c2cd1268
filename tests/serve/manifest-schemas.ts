import { fileURLToPath } from "node:url";
import { PodMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor";
import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import { Service } from "kubernetes-models/v1/Service";
import ts from "typescript";

/** Where a kind's published schema is: as a validator, and as a type that knows every field. */
const KINDS: Readonly<
  Record<string, { readonly module: string; readonly type: string; validate(manifest: object): void }>
> = {
  "apps/v1 Deployment": {
    module: "kubernetes-models/apps/v1/Deployment",
    type: "IDeployment",
    validate: (manifest) =>
      new Deployment(manifest as ConstructorParameters<typeof Deployment>[0]).validate(),
  },
  "v1 Service": {
    module: "kubernetes-models/v1/Service",
    type: "IService",
    validate: (manifest) => new Service(manifest as ConstructorParameters<typeof Service>[0]).validate(),
  },
  "monitoring.coreos.com/v1 PodMonitor": {
    module: "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor",
    type: "IPodMonitor",
    validate: (manifest) =>
      new PodMonitor(manifest as ConstructorParameters<typeof PodMonitor>[0]).validate(),
  },
};

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
}

/**
 * What the published schemas of Kubernetes and the Prometheus Operator say against manifests, a line each. Like the API
 * server with strict field validation, fields that a schema does not have count too: the validators let those pass, the
 * types generated from the same schemas do not.
 */
export function problemsOf(manifests: readonly Manifest[]): string[] {
  const problems: string[] = [];
  const lines: string[] = [];
  manifests.forEach((manifest, i) => {
    const name = `${manifest.apiVersion} ${manifest.kind}`;
    const kind = KINDS[name];
    if (kind === undefined) {
      problems.push(`${name}: no schema`);
      return;
    }
    try {
      kind.validate(manifest);
    } catch (error) {
      problems.push(`${name}: ${(error as Error).message}`);
    }
    lines.push(`import type { ${kind.type} as Kind${i} } from "${kind.module}";`);
    lines.push(`export const manifest${i}: Kind${i} = ${JSON.stringify(manifest)};`);
  });
  return [...problems, ...typeProblems(lines.join("\n"))];
}

function typeProblems(source: string): string[] {
  const file = fileURLToPath(new URL("manifest.generated.ts", import.meta.url));
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: [],
    lib: ["lib.es2022.d.ts"],
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (name) => name === file || fileExists(name);
  host.getSourceFile = (name, ...rest) =>
    name === file
      ? ts.createSourceFile(name, source, ts.ScriptTarget.ES2022)
      : getSourceFile.call(host, name, ...rest);
  const program = ts.createProgram([file], options, host);
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "; "));
}
