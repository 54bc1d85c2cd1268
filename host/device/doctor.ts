import { existsSync } from "node:fs";
import { AccllmError } from "../errors.ts";
import { cardAccess } from "./card-access.ts";
import { type Card, findCards } from "./cards.ts";
import type { Check, CheckStatus } from "./check.ts";
import { type Machine, thisMachine } from "./machine.ts";
import { emulatorLibraryPath } from "./native.ts";
import { cardReport } from "./reports.ts";
import { findXrtLibrary, xrtEnvironmentProblem } from "./xrt/environment.ts";
import { probeDevice } from "./xrt/probe.ts";
import { releaseOf, requireRelease } from "./xrt/versions.ts";

const leastNode = [20, 12] as const;

function checkNode(machine: Machine): Check {
  const [major = 0, minor = 0] = machine.nodeVersion.split(".").map(Number);
  const enough = major > leastNode[0] || (major === leastNode[0] && minor >= leastNode[1]);
  const check = { check: "Node.js", detail: machine.nodeVersion } as const;
  if (enough) return { ...check, status: "ok" };
  return { ...check, status: "fail", hint: `Install Node.js ${leastNode.join(".")} or newer.` };
}

async function checkEmulator(): Promise<Check> {
  const check = "emulator";
  const library = emulatorLibraryPath();
  if (!existsSync(library)) {
    return { check, status: "fail", detail: `${library} does not exist`, hint: "Run `npm run build`." };
  }
  try {
    // In a process of its own: a library built for another system may end the process that loads it.
    await probeDevice(library, { index: 0 });
    return { check, status: "ok", detail: library };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return { check, status: "fail", detail, hint: "Delete build/ and run `npm run build`." };
  }
}

/** A program that is needed to build, not to run. */
async function checkTool(machine: Machine, check: string, command: string, hint: string): Promise<Check> {
  const output = await machine.run(command, ["--version"]);
  if (output === undefined) return { check, status: "warn", detail: `${command} does not run`, hint };
  return { check, status: "ok", detail: output.split("\n")[0] ?? "" };
}

function checkRelease(library: string, missing: CheckStatus): Check {
  const release = releaseOf(library);
  const detail = release === undefined ? library : `${release}, ${library}`;
  try {
    requireRelease(library);
    return { check: "XRT", status: "ok", detail };
  } catch (error) {
    const hint = error instanceof AccllmError ? error.hint : undefined;
    return { check: "XRT", status: missing, detail: `${detail} is too old`, ...(hint ? { hint } : {}) };
  }
}

function checkXrt(machine: Machine, cards: readonly Card[]): Check[] {
  // Without a card, what is missing stands in nobody's way.
  const missing = cards.length > 0 ? "fail" : "warn";
  const library = findXrtLibrary(machine.environment);
  if (library === undefined) {
    return [
      {
        check: "XRT",
        status: missing,
        detail: "libxrt_coreutil.so.2 is not installed",
        hint: "Only a card needs it: install AMD's package xrt for your distribution.",
      },
    ];
  }
  const problem = xrtEnvironmentProblem(machine.environment);
  const environment: Check =
    problem === undefined
      ? { check: "XILINX_XRT", status: "ok", detail: machine.environment.XILINX_XRT ?? "" }
      : {
          check: "XILINX_XRT",
          status: missing,
          detail: problem,
          hint: "Run `source /opt/xilinx/xrt/setup.sh` before using a card.",
        };
  return [checkRelease(library, missing), environment];
}

async function checkCards(machine: Machine, cards: readonly Card[]): Promise<Check[]> {
  if (cards.length === 0) {
    return [
      {
        check: "card",
        status: "warn",
        detail: "no AMD card on the PCIe bus",
        hint: "Everything runs on the emulator: --device emulator.",
      },
    ];
  }
  return await Promise.all(
    cards.map(async (card) => {
      const { status, detail, hint } = await cardAccess(card, machine);
      const shell = card.shell ?? (await cardReport(machine, card.bdf))?.shell;
      const name = shell === undefined ? "" : `${shell}, `;
      return { check: `card ${card.bdf}`, status, detail: `${name}${detail}`, ...(hint ? { hint } : {}) };
    }),
  );
}

/** What is installed, what is missing, what to do; in the order in which things are needed. Never throws. */
export async function doctor(machine: Machine = thisMachine): Promise<Check[]> {
  const cards = await findCards(machine);
  const compiler = "Install a C++ compiler: `apt-get install g++`.";
  const cmake = "Install CMake: `apt-get install cmake`.";
  const vitis = "Only `accllm build` needs Vitis 2022.2 or newer: source its settings64.sh.";
  return [
    checkNode(machine),
    await checkEmulator(),
    await checkTool(machine, "C++ compiler", machine.environment.CXX || "c++", compiler),
    await checkTool(machine, "CMake", "cmake", cmake),
    ...checkXrt(machine, cards),
    ...(await checkCards(machine, cards)),
    await checkTool(machine, "v++", "v++", vitis),
  ];
}
