import { DOMParser, type Element } from "@xmldom/xmldom";
import { z } from "zod";
import { InputError } from "../../errors.ts";
import { invalidXclbin } from "./bytes.ts";
import type { KernelArgumentMetadata, KernelMetadata } from "./description.ts";
import { xclbinLimits } from "./layout.ts";

/** The text sections: EMBEDDED_METADATA (XML), KEYVALUE_METADATA and BUILD_METADATA (JSON). */

function sectionText(bytes: Uint8Array): string {
  if (bytes.length > xclbinLimits.textBytes) {
    throw invalidXclbin(
      `a metadata section has ${bytes.length} bytes, the limit is ${xclbinLimits.textBytes}`,
    );
  }
  // Writers pad with null bytes.
  return new TextDecoder().decode(bytes).replace(/\0+$/, "");
}

const unsignedInteger = z
  .string()
  .regex(/^(0[xX][0-9a-fA-F]{1,13}|\d{1,15})$/)
  .transform(Number);

const argumentSchema = z.object({
  name: z.string().min(1),
  id: unsignedInteger.pipe(z.number().max(xclbinLimits.kernelArguments - 1)),
  addressQualifier: unsignedInteger,
  port: z.string().default(""),
  type: z.string().default(""),
  offset: unsignedInteger,
  size: unsignedInteger,
});

function children(element: Element, name: string): Element[] {
  return Array.from(element.children).filter((child) => child.tagName === name);
}

function only(element: Element, name: string): Element {
  const [child] = children(element, name);
  if (child === undefined) throw invalidXclbin(`its metadata has no <${name}> in <${element.tagName}>`);
  return child;
}

function attributes(element: Element): Record<string, string> {
  return Object.fromEntries(Array.from(element.attributes).map((a) => [a.name, a.value]));
}

function readArguments(kernel: Element, name: string): KernelArgumentMetadata[] {
  const byIndex: KernelArgumentMetadata[] = [];
  for (const element of children(kernel, "arg")) {
    // Arguments that OpenCL's run time adds have no index.
    if (element.getAttribute("id") === "") continue;
    const parsed = argumentSchema.safeParse(attributes(element));
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      throw invalidXclbin(
        `kernel ${name} has a malformed argument (${issue?.path.join(".")}: ${issue?.message})`,
      );
    }
    const { id, addressQualifier, size, ...rest } = parsed.data;
    const kind = addressQualifier === 1 ? "memory" : addressQualifier === 0 ? "scalar" : "other";
    byIndex[id] = { ...rest, kind, bytes: size };
  }
  for (let i = 0; i < byIndex.length; i++) {
    if (byIndex[i] === undefined) throw invalidXclbin(`kernel ${name} has no argument with index ${i}`);
  }
  return byIndex;
}

/** Kernels with their arguments and compute units, from EMBEDDED_METADATA. */
export function readKernels(bytes: Uint8Array): KernelMetadata[] {
  let root: Element | null;
  try {
    const parser = new DOMParser({
      onError: (_level, message) => {
        throw invalidXclbin(`its metadata is not well-formed XML (${message})`);
      },
    });
    root = parser.parseFromString(sectionText(bytes), "text/xml").documentElement;
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw invalidXclbin("its metadata is not well-formed XML");
  }
  if (root === null || root.tagName !== "project") throw invalidXclbin("its metadata is not a <project>");
  const core = only(only(only(root, "platform"), "device"), "core");
  return children(core, "kernel").map((kernel) => {
    const name = kernel.getAttribute("name") ?? "";
    return {
      name,
      arguments: readArguments(kernel, name),
      instances: children(kernel, "instance").map((instance) => instance.getAttribute("name") ?? ""),
    };
  });
}

function escapeXml(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return text.replace(/[&<>"]/g, (character) => entities[character] ?? character);
}

function tag(name: string, values: Readonly<Record<string, string>>, body?: readonly string[]): string {
  const list = Object.entries(values).map(([key, value]) => ` ${key}="${escapeXml(value)}"`);
  const open = `<${name}${list.join("")}`;
  return body === undefined ? `${open}/>` : `${open}>\n${body.join("\n")}\n</${name}>`;
}

/** What {@link writeKernels} states around the kernels. */
export interface ProjectMetadata {
  readonly name: string;
  readonly platform: string;
  /** "csim" for software emulation. */
  readonly target: string;
  readonly clockMHz: number;
  /** Address of the first compute unit's registers. */
  readonly registerBase: bigint;
}

const hex = (value: number | bigint) => `0x${value.toString(16).toUpperCase()}`;
const registerRange = 0x10000;

/** EMBEDDED_METADATA, in the words that v++ uses and XRT's parser reads. */
export function writeKernels(project: ProjectMetadata, kernels: readonly KernelMetadata[]): Uint8Array {
  const kernelTags = kernels.map((kernel) => {
    const ports = kernel.arguments.filter((a) => a.kind === "memory").map((a) => a.port);
    return tag(
      "kernel",
      { name: kernel.name, language: "c", hwControlProtocol: "ap_ctrl_chain", type: "pl" },
      [
        ...[...new Set(ports)].map((name) =>
          tag("port", {
            name,
            mode: "master",
            range: "0xFFFFFFFFFFFFFFFF",
            dataWidth: "512",
            portType: "addressable",
            base: "0x0",
          }),
        ),
        tag("port", {
          name: "S_AXI_CONTROL",
          mode: "slave",
          range: hex(registerRange),
          dataWidth: "32",
          portType: "addressable",
          base: "0x0",
        }),
        ...kernel.arguments.map((argument, id) =>
          tag("arg", {
            name: argument.name,
            addressQualifier: argument.kind === "memory" ? "1" : "0",
            id: String(id),
            port: argument.port,
            size: hex(argument.bytes),
            offset: hex(argument.offset),
            hostOffset: "0x0",
            hostSize: hex(argument.bytes),
            type: argument.type,
          }),
        ),
        ...kernel.instances.map((instance, i) =>
          tag("instance", { name: instance }, [
            tag("addrRemap", {
              base: hex(project.registerBase + BigInt(i * registerRange)),
              range: hex(registerRange),
              port: "S_AXI_CONTROL",
            }),
          ]),
        ),
      ],
    );
  });
  const clocks = tag("kernelClocks", {}, [
    tag("clock", { port: "KERNEL_CLK", frequency: `${project.clockMHz}MHz` }),
  ]);
  const core = tag("core", { name: "OCL_REGION_0", target: project.target, type: "clc_region" }, [
    clocks,
    ...kernelTags,
  ]);
  const device = tag("device", { name: "fpga0", fpgaDevice: "" }, [core]);
  const platform = tag(
    "platform",
    { vendor: "xilinx", boardid: "", name: project.platform, featureRomTime: "0" },
    [device],
  );
  const document = `<?xml version="1.0" encoding="UTF-8"?>\n${tag("project", { name: project.name }, [platform])}\n`;
  return new TextEncoder().encode(document);
}

const keyValueSchema = z.object({ key_values: z.array(z.object({ key: z.string(), value: z.string() })) });

/** KEYVALUE_METADATA as xclbinutil writes it. */
export function readKeyValues(bytes: Uint8Array): Record<string, string> {
  const parsed = keyValueSchema.safeParse(readJson(bytes, "KEYVALUE_METADATA"));
  if (!parsed.success) throw invalidXclbin("its KEYVALUE_METADATA is not a list of keys and values");
  return Object.fromEntries(parsed.data.key_values.map(({ key, value }) => [key, value]));
}

export function writeKeyValues(values: Readonly<Record<string, string>>): Uint8Array {
  const entries = Object.entries(values).map(([key, value]) => ({ key, value }));
  return new TextEncoder().encode(JSON.stringify({ key_values: entries }));
}

/** A JSON section as it is. */
export function readJson(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(sectionText(bytes));
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    throw invalidXclbin(`its ${what} is not JSON`);
  }
}
