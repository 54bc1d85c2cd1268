import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { emulationXclbin, parseXclbin } from "../../../../host/device/xclbin/index.ts";
import { linkConfig } from "../../../../host/toolchain/link-config.ts";
import { platforms } from "../../../../quant/format/platform.ts";

const folder = fileURLToPath(new URL("../../../../bitstreams/", import.meta.url));

describe.each(["u280", "u55c"])("link configuration of %s", (name) => {
  const platform = platforms[name]!;

  it("is the one in bitstreams/ (`npm run build && node scripts/generate-link-config.mjs` writes it)", () => {
    expect(readFileSync(`${folder}${name}.cfg`, "utf8")).toBe(linkConfig(platform));
  });

  it("connects every memory argument to the bank that the emulation's xclbin connects it to", () => {
    const { kernels, connections, memories } = parseXclbin(emulationXclbin(platform));
    const expected = connections.map(
      ({ argument, memory }) =>
        `sp=accllm_1.${kernels[0]!.arguments[argument]!.name}:${memories[memory]!.tag}`,
    );
    const lines = linkConfig(platform).split("\n");
    expect(lines.filter((line) => line.startsWith("sp="))).toEqual(expected);
    expect(expected.length).toBeGreaterThan(40);
  });

  it("measures only where asked to", () => {
    expect(linkConfig(platform)).not.toContain("[profile]");
    expect(linkConfig(platform, { profile: true })).toContain("\n[profile]\ndata=all:all:all\n");
  });
});
