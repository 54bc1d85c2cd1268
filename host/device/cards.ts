import { readdir, readFile, readlink } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Machine } from "./machine.ts";

/** A PCIe function of an AMD (Xilinx) card that runs kernels, as the bus and XRT's driver show it. */
export interface Card {
  /** "0000:3b:00.1". */
  readonly bdf: string;
  /** Its folder in sysfs, which goes when the card does. */
  readonly folder: string;
  /** The shell's name; undefined where the driver does not say. */
  readonly shell: string | undefined;
  /** UUIDs of the shell's interface and logic, lower-case with dashes; empty where the driver does not say. */
  readonly shellUuids: readonly string[];
  /** The driver bound to it: "xocl" where XRT's driver is. */
  readonly driver: string | undefined;
  /** Whether the driver has finished with it; a card without a usable shell is not ready. */
  readonly ready: boolean;
  /** "/dev/dri/renderD128"; undefined without a driver. */
  readonly renderNode: string | undefined;
}

const xilinxVendor = "0x10ee";
/** Function 0 of an Alveo card manages it (driver xclmgmt), function 1 runs kernels (driver xocl). */
const userFunction = /\.1$/;
const uuidHex = /^[0-9a-f]{32}$/i;

async function text(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch {
    return undefined;
  }
}

async function names(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch {
    return [];
  }
}

async function linkName(path: string): Promise<string | undefined> {
  try {
    return basename(await readlink(path));
  } catch {
    return undefined;
  }
}

/** sysfs has UUIDs as 32 hex digits, one a line. */
async function uuids(path: string): Promise<string[]> {
  const lines = (await text(path))?.split(/\s+/) ?? [];
  return lines
    .filter((line) => uuidHex.test(line))
    .map((line) => line.toLowerCase().replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"));
}

/** Cards on the PCIe bus, in order of their address; XRT need not be installed. Never throws. */
export async function findCards(machine: Machine): Promise<Card[]> {
  const bus = join(machine.root, "/sys/bus/pci/devices");
  const found: Card[] = [];
  for (const bdf of await names(bus)) {
    const folder = join(bus, bdf);
    if (!userFunction.test(bdf) || (await text(join(folder, "vendor"))) !== xilinxVendor) continue;
    const node = (await names(join(folder, "drm"))).find((name) => name.startsWith("renderD"));
    const rom = (await names(folder)).find((name) => name.startsWith("rom"));
    found.push({
      bdf,
      folder,
      shell: rom === undefined ? undefined : await text(join(folder, rom, "VBNV")),
      shellUuids: [
        ...(await uuids(join(folder, "interface_uuids"))),
        ...(await uuids(join(folder, "logic_uuids"))),
      ],
      driver: await linkName(join(folder, "driver")),
      // Drivers that do not tell are taken at their word when they bind.
      ready: ((await text(join(folder, "ready"))) ?? "0x1").replace(/^0x/, "") !== "0",
      renderNode: node === undefined ? undefined : `/dev/dri/${node}`,
    });
  }
  return found;
}

/** XRT's own order: cards that are ready first, each part by address. The index of `xrt:0` counts in it. */
export function indexOrder(cards: readonly Card[]): Card[] {
  return [...cards.filter((card) => card.ready), ...cards.filter((card) => !card.ready)];
}
