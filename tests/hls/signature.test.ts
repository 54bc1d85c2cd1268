import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { cppTops } from "../../quant/format/cpp-top.ts";
import { platforms } from "../../quant/format/platform.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

it("the tops in the tree are those the schema generates", () => {
  for (const [name, text] of Object.entries(cppTops())) {
    expect(
      readFileSync(`${root}/hls/kernels/top/${name}`, "utf8"),
      `${name}: run \`npm run build && node scripts/generate-header.mjs\` and commit the result`,
    ).toBe(text);
  }
});

describe.each(Object.values(platforms))("the top for $name", ({ name: platform, kernelArguments }) => {
  const source = readFileSync(`${root}/hls/kernels/top/${platform}.cpp`, "utf8");

  it("has the platform's arguments, in order", () => {
    const list = /extern "C" void accllm\(([^)]*)\)/.exec(source)![1]!;
    const names = list.split(",").map((argument) =>
      argument
        .trim()
        .split(/[\s*]+/)
        .at(-1),
    );
    expect(names).toEqual(kernelArguments.map((argument) => argument.name));
  });

  it("gives arguments in one bank one bundle, others never, and every scalar a register", () => {
    const bankOfBundle = new Map<string, number>();
    const bundleOfBank = new Map<number, string>();
    for (const argument of kernelArguments) {
      const { name, kind } = argument;
      const pragma = new RegExp(`#pragma HLS INTERFACE (\\w+) port = ${name}\\b([^\\n]*)`).exec(source);
      expect(pragma?.[1], name).toBe(kind === "memory" ? "m_axi" : "s_axilite");
      if (argument.kind === "scalar") continue;
      const bundle = /bundle = (\w+)/.exec(pragma![2]!)?.[1] ?? "";
      expect(bundle, name).toMatch(/^gmem_\w+$/);
      expect(bankOfBundle.get(bundle) ?? argument.bank, name).toBe(argument.bank);
      expect(bundleOfBank.get(argument.bank) ?? bundle, name).toBe(bundle);
      bankOfBundle.set(bundle, argument.bank);
      bundleOfBank.set(argument.bank, bundle);
    }
  });

  it.skipIf(spawnSync("g++", ["--version"]).status !== 0)("compiles (needs g++)", () => {
    const includes = ["hls/include", "hls", "hls/sim"].flatMap((folder) => ["-I", folder]);
    const flags = ["-std=c++17", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas"];
    const { status, stderr } = spawnSync("g++", [...flags, ...includes, `hls/kernels/top/${platform}.cpp`], {
      cwd: root,
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    expect(status).toBe(0);
  });
});
