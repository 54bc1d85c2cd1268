import { z } from "zod";
import type { Machine } from "./machine.ts";

/**
 * What XRT's own JSON reports (`xbutil examine --format JSON`, schema 2020.2) say of a card. XRT writes numbers as
 * text there, and "N/A" for what it does not know.
 */
export interface CardReport {
  readonly shell?: string;
  /** Of the shell's logic. */
  readonly shellUuid?: string;
  /** Of the xclbin that is loaded. */
  readonly xclbinUuid?: string;
  /** Of the FPGA, in degrees Celsius. */
  readonly temperature?: number;
  /** Drawn by the whole card. */
  readonly watts?: number;
}

const number = z.coerce.number().optional().catch(undefined);
const label = z.string().optional().catch(undefined);
/** A list whose entries of another form are left out; XRT writes "" for an empty one. */
const listOf = <T extends z.ZodType>(entry: T) =>
  z
    .array(z.unknown())
    .default([])
    .catch([])
    .transform((entries) => entries.flatMap((one) => entry.safeParse(one).data ?? []));

/** The parts that are read; anything else may be there, and any of these may be absent. */
const reportSchema = z.object({
  system: z
    .object({
      host: z.object({ devices: listOf(z.object({ bdf: z.string(), vbnv: label })) }),
    })
    .optional()
    .catch(undefined),
  devices: listOf(
    z.object({
      device_id: z.string(),
      platforms: listOf(z.object({ static_region: z.object({ vbnv: label, logic_uuid: label }) })),
      dynamic_regions: z.unknown().optional(),
      electrical: z.object({ power_consumption_watts: number }).optional().catch(undefined),
      thermals: listOf(z.object({ location_id: label, temp_C: number })),
    }),
  ),
});

const regionSchema = z.object({ xclbin_uuid: z.string().regex(/^[0-9a-f-]{36}$/i) });
const noUuid = /^[0-]+$/;

/** Older releases write one region as an object, newer ones a list. */
function loadedUuid(regions: unknown): string | undefined {
  const region = regionSchema.safeParse(Array.isArray(regions) ? regions[0] : regions);
  if (!region.success || noUuid.test(region.data.xclbin_uuid)) return undefined;
  return region.data.xclbin_uuid.toLowerCase();
}

function sensors(thermals: readonly { location_id?: string | undefined; temp_C?: number | undefined }[]) {
  const fpga = thermals.find(({ location_id }) => location_id?.startsWith("fpga")) ?? thermals[0];
  return fpga?.temp_C;
}

/** What is defined, for exact optional fields. */
function defined(fields: { [K in keyof CardReport]: CardReport[K] | undefined }): CardReport {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** Reads a report's JSON text; undefined where it is none or says nothing of the card. */
export function parseReport(text: string | undefined, bdf: string): CardReport | undefined {
  if (text === undefined) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  const parsed = reportSchema.safeParse(json);
  if (!parsed.success) return undefined;
  const listed = parsed.data.system?.host.devices.find((device) => device.bdf === bdf);
  const device = parsed.data.devices.find(({ device_id }) => device_id === bdf);
  if (listed === undefined && device === undefined) return undefined;
  const region = device?.platforms[0]?.static_region;
  return defined({
    shell: region?.vbnv ?? listed?.vbnv,
    shellUuid: region?.logic_uuid?.toLowerCase(),
    xclbinUuid: loadedUuid(device?.dynamic_regions),
    temperature: sensors(device?.thermals ?? []),
    watts: device?.electrical?.power_consumption_watts,
  });
}

/** What XRT reports of a card now; undefined where XRT's tool is absent or does not know the card. */
export async function cardReport(machine: Machine, bdf: string): Promise<CardReport | undefined> {
  return parseReport(await machine.examine(bdf), bdf);
}
