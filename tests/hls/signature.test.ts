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

it("every memory argument has a bundle of its own, every scalar is a register", () => {
  for (const { name, kind } of platforms.u280!.kernelArguments) {
    const pragma = new RegExp(`#pragma HLS INTERFACE (\\w+) port = ${name}\\b([^\\n]*)`).exec(source);
    expect(pragma?.[1], name).toBe(kind === "memory" ? "m_axi" : "s_axilite");
    if (kind === "memory") expect(pragma![2], name).toMatch(new RegExp(`bundle = gmem_${name}\\b`));
  }
});
