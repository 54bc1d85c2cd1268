import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { emulationXclbin, parseXclbin, writeXclbin } from "../../../../host/device/xclbin/index.ts";
import { flashCard } from "../../../../host/toolchain/flash.ts";
import { platforms } from "../../../../quant/format/platform.ts";
import { FakeMachine } from "../device/fake-machine.ts";

/** The options that XRT's xbutil and xbmgmt document for `program`; --force is a global one. */
const tool = String.raw`#!/usr/bin/env node
const fs = require("fs"), path = require("path");
const argv = process.argv.slice(2), name = path.basename(__filename);
fs.appendFileSync(process.env.CALLS, name + " " + argv.join(" ") + "\n");
const known = { xbutil: { "--device": 1, "--user": 1 }, xbmgmt: { "--device": 1, "--base": 0, "--image": 1, "--force": 0 } }[name];
if (argv[0] !== "program") process.exit(1);
for (let i = 1; i < argv.length; i++) {
  if (!(argv[i] in known)) { console.log("ERROR: unrecognised option '" + argv[i] + "'"); process.exit(1); }
  i += known[argv[i]];
}
if (process.env.REFUSE) { console.log("ERROR: Device is busy"); process.exit(1); }
if (name === "xbutil") fs.copyFileSync(process.env.LATER, process.env.REPORT);
console.log("INFO: done");
`;

const bdf = "0000:3b:00.1";

class CardMachine extends FakeMachine {
  readonly path = join(this.root, "report.json");
  override async examine(): Promise<string | undefined> {
    return existsSync(this.path) ? readFileSync(this.path, "utf8") : undefined;
  }
}

let machine: CardMachine;
let xclbin: string;
let uuid: string;
const calls = () => readFileSync(machine.environment.CALLS!, "utf8").trim();
const report = (xclbin_uuid: string) =>
  JSON.stringify({
    devices: [
      {
        device_id: bdf,
        platforms: [{ static_region: { vbnv: "xilinx_u280_gen3x16_xdma_base_1" } }],
        dynamic_regions: [{ xclbin_uuid }],
      },
    ],
  });

beforeEach(() => {
  machine = new CardMachine();
  machine.addCard({ bdf, driver: "xocl", renderNode: "renderD128" });
  machine.addRenderNode("renderD128");
  const bin = join(machine.root, "bin");
  mkdirSync(bin);
  for (const name of ["xbutil", "xbmgmt"]) {
    writeFileSync(join(bin, name), tool);
    chmodSync(join(bin, name), 0o755);
  }
  xclbin = join(machine.root, "card.xclbin");
  const parsed = parseXclbin(emulationXclbin(platforms.u280!));
  uuid = parsed.uuid;
  writeFileSync(xclbin, writeXclbin({ ...parsed, header: { ...parsed.header, mode: 1 } }));
  Object.assign(machine.environment, {
    PATH: `${bin}:${process.env.PATH}`,
    CALLS: join(machine.root, "calls"),
    REPORT: machine.path,
    LATER: join(machine.root, "later.json"),
  });
  writeFileSync(machine.environment.CALLS!, "");
  writeFileSync(machine.path, report("00000000-0000-0000-0000-000000000000"));
  writeFileSync(machine.environment.LATER!, report(uuid));
});
afterEach(() => machine.remove());

describe("flash with stand-ins for XRT's tools", () => {
  it("programs an xclbin and tells what was on the card before and after", async () => {
    const lines: string[] = [];
    const done = await flashCard({ device: "xrt:0", xclbin }, { machine, onLine: (l) => lines.push(l) });
    expect(calls()).toBe(`xbutil program --device ${bdf} --user ${xclbin}`);
    expect(done).toMatchObject({
      uuid,
      before: { shell: "xilinx_u280_gen3x16_xdma_base_1" },
      after: { xclbinUuid: uuid },
    });
    expect(done.before).not.toHaveProperty("xclbinUuid");
    expect(lines).toEqual(["INFO: done"]);
  });

  it("does not believe the tool: the card must report the xclbin", async () => {
    writeFileSync(machine.environment.LATER!, report("11111111-1111-1111-1111-111111111111"));
    await expect(flashCard({ device: "xrt:0", xclbin }, { machine })).rejects.toMatchObject({
      code: "XCLBIN_NOT_ACTIVE",
      message: expect.stringContaining("11111111-1111"),
    });
  });

  it("a tool that fails is exit code 5 with its first error", async () => {
    machine.environment.REFUSE = "1";
    await expect(flashCard({ device: "xrt:0", xclbin }, { machine })).rejects.toMatchObject({
      code: "TOOL_FAILED",
      exitCode: 5,
      message: expect.stringContaining("ERROR: Device is busy"),
    });
  });

  it("writes the shell by the management function, once confirmed", async () => {
    const questions: string[] = [];
    const confirm = async (question: string) => questions.push(question) > 0;
    const done = await flashCard({ device: "xrt:0", shell: true }, { machine, confirm });
    expect(calls()).toBe("xbmgmt program --device 0000:3b:00.0 --base --force");
    expect(questions).toEqual([expect.stringMatching(/0000:3b:00\.1 \(now xilinx_u280/)]);
    expect(done.next).toMatch(/cold boot/);
    await flashCard({ device: "xrt:0", shell: "base.xsabin" }, { machine, confirm });
    expect(calls()).toMatch(/--base --image base\.xsabin --force$/);
  });

  it.each([
    ["nobody to ask", undefined],
    ["no", async () => false],
  ])("writes no shell with %s", async (_, confirm) => {
    const refused = flashCard({ device: "xrt:0", shell: true }, { machine, confirm });
    await expect(refused).rejects.toMatchObject({ code: "FLASH_NOT_CONFIRMED", exitCode: 2 });
    expect(calls()).toBe("");
  });

  it("refuses an xclbin for emulation, a device that is no card, and nothing", async () => {
    writeFileSync(xclbin, emulationXclbin(platforms.u280!));
    await expect(flashCard({ device: "xrt:0", xclbin }, { machine })).rejects.toMatchObject({
      code: "XCLBIN_WRONG_MODE",
    });
    await expect(flashCard({ device: "emulator", xclbin }, { machine })).rejects.toMatchObject({
      exitCode: 2,
    });
    await expect(flashCard({ device: "xrt:0" }, { machine })).rejects.toMatchObject({
      code: "FLASH_NOTHING",
    });
    expect(calls()).toBe("");
  });
});
