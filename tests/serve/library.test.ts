import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { packageRoot } from "../../host/config/paths.ts";
import { type DemoImage, emulatorBuilt, quantizeDemo } from "./fixture.ts";

const page = await readFile(new URL("../../docs/library.md", import.meta.url), "utf8");
const blocks = Array.from(page.matchAll(/```ts\n(.*?)```/gs), ([, code]) => code!);
const index = fileURLToPath(new URL("../../host/index.ts", import.meta.url));

it("the page has examples", () => {
  expect(blocks.length).toBeGreaterThanOrEqual(6);
});

describe.skipIf(!emulatorBuilt)("the examples of docs/library.md (need the emulator built)", () => {
  let image: DemoImage;
  const folder = join(packageRoot, "build", "scratch", `library-${process.pid}`);
  beforeAll(async () => {
    image = await quantizeDemo();
    await mkdir(folder, { recursive: true });
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
  });

  it.each(blocks.map((code, i) => [i + 1, code] as const))("number %i runs", async (number, code) => {
    const said = vi.spyOn(console, "log").mockImplementation(() => {});
    const source = code.replace('from "accllm"', `from ${JSON.stringify(index)}`);
    const body = source.replace(
      /^import .*$/m,
      (line) => `${line}\nconst image = ${JSON.stringify(image.path)};`,
    );
    const file = join(folder, `example-${number}.ts`);
    await writeFile(file, body);
    try {
      await import(file);
      if (code.includes("console.log")) expect(said).toHaveBeenCalled();
      for (const value of said.mock.calls.flat()) expect(value).not.toBeUndefined();
    } finally {
      said.mockRestore();
    }
  });
});
