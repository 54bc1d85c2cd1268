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

  it("tells shell, UUIDs, temperature and power from XRT's JSON report", async () => {
    machine.addCard(card);
    machine.addRenderNode("renderD128");
    machine.report = JSON.stringify({
      schema_version: { schema: "JSON", creation_date: "Mon Nov 23 19:00:00 2026 GMT" },
      system: { host: { devices: [{ bdf: card.bdf, vbnv: "old name", is_ready: "true" }] } },
      devices: [
        { device_id: "0000:99:00.1", electrical: { power_consumption_watts: "1" } },
        {
          interface_type: "pcie",
          device_id: card.bdf,
          platforms: [
            {
              static_region: {
                vbnv: "xilinx_u280_gen3x16_xdma_base_1",
                logic_uuid: "283E0151-9D35-1F1B-283E-01519D35AABB",
                fpga_name: "",
              },
            },
          ],
          dynamic_regions: [{ xclbin_uuid: "8e84d807-1f0f-8647-ab09-3ba85ee2658e", compute_units: "" }],
          electrical: { power_consumption_max_watts: "225", power_consumption_watts: "27.486" },
          thermals: [
            { location_id: "pcb_top_front", temp_C: "34", is_present: "true" },
            { location_id: "fpga0", temp_C: "41", is_present: "true" },
          ],
        },
      ],
    });
    expect((await listDevices(machine))[1]).toEqual({
      device: "xrt:0000:3b:00.1",
      bdf: "0000:3b:00.1",
      name: "xilinx_u280_gen3x16_xdma_base_1",
      shell: "xilinx_u280_gen3x16_xdma_base_1",
      shellUuid: "283e0151-9d35-1f1b-283e-01519d35aabb",
      xclbinUuid: "8e84d807-1f0f-8647-ab09-3ba85ee2658e",
      temperature: 41,
      watts: 27.486,
      status: "ok",
      detail: expect.stringMatching(/41 degrees C, 27\.486 W$/),
    });
  });

  it("leaves out what a report does not know", async () => {
    machine.addCard(card);
    machine.report = JSON.stringify({
      devices: [
        {
          device_id: card.bdf,
          platforms: [{ static_region: { vbnv: "shell" } }],
          dynamic_regions: [{ xclbin_uuid: "00000000-0000-0000-0000-000000000000" }],
          electrical: { power_consumption_watts: "N/A" },
          thermals: "",
        },
      ],
    });
    const entry = (await listDevices(machine))[1];
    expect(entry).toMatchObject({ shell: "shell", status: "fail" });
    expect(Object.keys(entry!)).not.toEqual(expect.arrayContaining(["watts"]));
    expect(entry).not.toHaveProperty("temperature");
    expect(entry).not.toHaveProperty("xclbinUuid");
  });
});
