import { existsSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { doctor } from "../../../../host/device/doctor.ts";
import { listDevices } from "../../../../host/device/list.ts";
import { emulatorLibraryPath } from "../../../../host/device/native.ts";
import { FakeMachine } from "./fake-machine.ts";

let machine: FakeMachine;
beforeEach(() => {
  machine = new FakeMachine();
});
afterEach(() => {
  machine.remove();
  vi.unstubAllEnvs();
});

const find = async (name: string) => (await doctor(machine)).find(({ check }) => check === name);
const card = { bdf: "0000:3b:00.1", driver: "xocl", renderNode: "renderD128" };

describe("doctor", () => {
  it("on a machine with nothing installed: what runs needs is failed, what only a card needs is a warning", async () => {
    vi.stubEnv("ACCLLM_NATIVE_DIR", "/absent/folder");
    const checks = await doctor(machine);
    const byName = Object.fromEntries(checks.map(({ check, status }) => [check, status]));
    expect(byName).toMatchObject({
      "Node.js": "ok",
      emulator: "fail",
      "C++ compiler": "warn",
      CMake: "warn",
      card: "warn",
      "v++": "warn",
    });
    for (const { status, hint } of checks) if (status !== "ok") expect(hint).toMatch(/\w/);
  });

  it.skipIf(!existsSync(emulatorLibraryPath()))(
    "opens the emulator that is built (needs build/native)",
    async () => {
      expect(await find("emulator")).toMatchObject({ status: "ok" });
    },
  );

  it("fails a Node.js that is too old", async () => {
    machine.nodeVersion = "20.11.1";
    expect(await find("Node.js")).toMatchObject({ status: "fail", detail: "20.11.1" });
    machine.nodeVersion = "22.0.0";
    expect(await find("Node.js")).toMatchObject({ status: "ok" });
  });

  it("shows the first line of a tool's version", async () => {
    machine.commands.cmake = "cmake version 3.25.1\n\nCMake suite";
    expect(await find("CMake")).toEqual({ check: "CMake", status: "ok", detail: "cmake version 3.25.1" });
  });

  it("asks for the compiler that CXX names", async () => {
    machine.environment.CXX = "clang++";
    machine.commands["clang++"] = "clang version 14";
    expect(await find("C++ compiler")).toMatchObject({ status: "ok", detail: "clang version 14" });
  });

  it("with a card, a missing XILINX_XRT or XRT is a failure", async () => {
    machine.addCard(card);
    const checks = await doctor(machine);
    const xrt = checks.filter(({ check }) => check === "XRT" || check === "XILINX_XRT");
    expect(xrt.some(({ status }) => status === "fail")).toBe(true);
  });

  it("reports a card's driver, render node and permission", async () => {
    machine.addCard(card);
    machine.report = JSON.stringify({
      system: { host: { devices: [{ bdf: card.bdf, vbnv: "xilinx_u280_gen3x16_xdma_base_1", id: "0x1" }] } },
    });
    expect(await find("card 0000:3b:00.1")).toMatchObject({
      status: "fail",
      detail: "xilinx_u280_gen3x16_xdma_base_1, no permission to read and write /dev/dri/renderD128",
      hint: expect.stringContaining("render"),
    });
    machine.addRenderNode("renderD128");
    expect(await find("card 0000:3b:00.1")).toEqual({
      check: "card 0000:3b:00.1",
      status: "ok",
      detail: "xilinx_u280_gen3x16_xdma_base_1, driver xocl, /dev/dri/renderD128",
    });
  });

  it("fails a card without XRT's driver", async () => {
    machine.addCard({ bdf: "0000:3b:00.1", driver: "vfio-pci" });
    machine.addCard({ bdf: "0000:5e:00.1" });
    expect(await find("card 0000:3b:00.1")).toMatchObject({
      status: "fail",
      detail: expect.stringContaining("vfio-pci"),
    });
    expect(await find("card 0000:5e:00.1")).toMatchObject({
      status: "fail",
      detail: expect.stringContaining("no driver"),
    });
  });
});

describe("devices", () => {
  it("lists the emulator always, cards in order, and nothing else on the bus", async () => {
    machine.addCard({ ...card, bdf: "0000:5e:00.1" });
    machine.addCard(card);
    machine.addCard({ bdf: "0000:3b:00.0", driver: "xclmgmt" });
    machine.addCard({ bdf: "0000:01:00.1", vendor: "0x10de" });
    machine.addRenderNode("renderD128");
    const devices = await listDevices(machine);
    expect(devices.map(({ device }) => device)).toEqual(["emulator", "xrt:0000:3b:00.1", "xrt:0000:5e:00.1"]);
    expect(devices[1]).toMatchObject({ name: "AMD card, shell unknown", status: "ok" });
  });

  it.each(["", "{", "[]", '{"system":{"host":{}}}'])("takes a report of '%s' for none", async (report) => {
    machine.addCard(card);
    machine.report = report;
    expect((await listDevices(machine))[1]?.name).toBe("AMD card, shell unknown");
  });
});
