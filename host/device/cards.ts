import { readdir, readFile, readlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import type { Machine } from "./machine.ts";

/** A PCIe function of an AMD (Xilinx) card that runs kernels. */
export interface Card {
  /** "0000:3b:00.1". */
  readonly bdf: string;
  /** The shell's name as XRT reports it; undefined where XRT does not know the card. */
  readonly shell: string | undefined;
  /** The driver bound to it: "xocl" where XRT's driver is. */
  readonly driver: string | undefined;
  /** "/dev/dri/renderD128"; undefined without a driver. */
  readonly renderNode: string | undefined;
}

const xilinxVendor = "0x10ee";
/** Function 0 of an Alveo card manages it (driver xclmgmt), function 1 runs kernels (driver xocl). */
const userFunction = /\.1$/;

/** The part of xbutil's report that is read; its other fields may be anything. */
const reportSchema = z.object({
  system: z.object({
    host: z.object({
      devices: z.array(z.object({ bdf: z.string(), vbnv: z.string().optional() })),
    }),
  }),
});

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

async function shells(machine: Machine): Promise<ReadonlyMap<string, string>> {
  const report = await machine.examine();
  if (report === undefined) return new Map();
  let json: unknown;
  try {
    json = JSON.parse(report);
  } catch {
    return new Map();
  }
  const parsed = reportSchema.safeParse(json);
  if (!parsed.success) return new Map();
  return new Map(parsed.data.system.host.devices.flatMap(({ bdf, vbnv }) => (vbnv ? [[bdf, vbnv]] : [])));
}

/** Cards on the PCIe bus, in order of their address; XRT need not be installed. */
export async function findCards(machine: Machine): Promise<Card[]> {
  const bus = join(machine.root, "/sys/bus/pci/devices");
  const found: Omit<Card, "shell">[] = [];
  for (const bdf of await names(bus)) {
    if (!userFunction.test(bdf) || (await text(join(bus, bdf, "vendor"))) !== xilinxVendor) continue;
    const node = (await names(join(bus, bdf, "drm"))).find((name) => name.startsWith("renderD"));
    found.push({
      bdf,
      driver: await linkName(join(bus, bdf, "driver")),
      renderNode: node === undefined ? undefined : `/dev/dri/${node}`,
    });
  }
  if (found.length === 0) return [];
  const known = await shells(machine);
  return found.map((card) => ({ ...card, shell: known.get(card.bdf) }));
}
