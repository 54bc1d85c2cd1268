import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { platforms } from "../../quant/format/platform.ts";

const source = readFileSync(new URL("../../hls/kernels/accllm.cpp", import.meta.url), "utf8");

it("the kernel's arguments are the platform's, in order", () => {
  const list = /extern "C" void accllm\(([^)]*)\)/.exec(source)![1]!;
  const names = list.split(",").map((argument) =>
    argument
      .trim()
      .split(/[\s*]+/)
      .at(-1),
  );
  expect(names).toEqual(platforms.u280!.kernelArguments.map((argument) => argument.name));
});

it("arguments in one bank share a bundle, those in different banks never do, every scalar is a register", () => {
  const bankOfBundle = new Map<string, number>();
  const bundleOfBank = new Map<number, string>();
  for (const argument of platforms.u280!.kernelArguments) {
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
