import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Machine } from "../../../../host/device/machine.ts";

export interface FakeCard {
  readonly bdf: string;
  readonly vendor?: string;
  readonly driver?: string;
  readonly renderNode?: string;
  /** Files of its sysfs folder, by path: "rom.u.1/VBNV". */
  readonly files?: Readonly<Record<string, string>>;
}

/** A computer with /sys and /dev in a folder of its own, and commands that answer what they are told to. */
export class FakeMachine implements Machine {
  readonly root = mkdtempSync(join(tmpdir(), "accllm-machine-"));
  readonly environment: NodeJS.ProcessEnv = {};
  readonly commands: Record<string, string> = {};
  nodeVersion = "20.12.0";
  report: string | undefined;

  addCard({ bdf, vendor = "0x10ee", driver, renderNode, files = {} }: FakeCard): void {
    const folder = join(this.root, "sys/bus/pci/devices", bdf);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "vendor"), `${vendor}\n`);
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), `${text}\n`);
    }
    if (driver !== undefined) symlinkSync(`../../../bus/pci/drivers/${driver}`, join(folder, "driver"));
    if (renderNode === undefined) return;
    mkdirSync(join(folder, "drm", renderNode), { recursive: true });
    mkdirSync(join(folder, "drm", "card0"));
  }

  /** Any file, by its path from the root. */
  addFile(path: string, text = ""): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true });
    writeFileSync(join(this.root, path), text);
  }

  addRenderNode(name: string): void {
    mkdirSync(join(this.root, "dev/dri"), { recursive: true });
    writeFileSync(join(this.root, "dev/dri", name), "");
  }

  async run(command: string): Promise<string | undefined> {
    return this.commands[command];
  }

  /** The card falls off the bus. */
  removeCard(bdf: string): void {
    rmSync(join(this.root, "sys/bus/pci/devices", bdf), { recursive: true });
  }

  async examine(): Promise<string | undefined> {
    return this.report;
  }

  remove(): void {
    rmSync(this.root, { recursive: true });
  }
}
