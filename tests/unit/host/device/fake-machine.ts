import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Machine } from "../../../../host/device/machine.ts";

export interface FakeCard {
  readonly bdf: string;
  readonly vendor?: string;
  readonly driver?: string;
  readonly renderNode?: string;
}

/** A computer with /sys and /dev in a folder of its own, and commands that answer what they are told to. */
export class FakeMachine implements Machine {
  readonly root = mkdtempSync(join(tmpdir(), "accllm-machine-"));
  readonly environment: NodeJS.ProcessEnv = {};
  readonly commands: Record<string, string> = {};
  nodeVersion = "20.12.0";
  report: string | undefined;

  addCard({ bdf, vendor = "0x10ee", driver, renderNode }: FakeCard): void {
    const folder = join(this.root, "sys/bus/pci/devices", bdf);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "vendor"), `${vendor}\n`);
    if (driver !== undefined) symlinkSync(`../../../bus/pci/drivers/${driver}`, join(folder, "driver"));
    if (renderNode === undefined) return;
    mkdirSync(join(folder, "drm", renderNode), { recursive: true });
    mkdirSync(join(folder, "drm", "card0"));
  }

  addRenderNode(name: string): void {
    mkdirSync(join(this.root, "dev/dri"), { recursive: true });
    writeFileSync(join(this.root, "dev/dri", name), "");
  }

  async run(command: string): Promise<string | undefined> {
    return this.commands[command];
  }

  async examine(): Promise<string | undefined> {
    return this.report;
  }

  remove(): void {
    rmSync(this.root, { recursive: true });
  }
}
