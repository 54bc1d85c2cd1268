// Writes the tables of docs/timing.md and the plots of docs/img from the timing model. Run `npm run build` first.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { documentPlots } from "../dist/host/estimate/document/plots.js";
import { documentTables, withTables } from "../dist/host/estimate/document/tables.js";

const page = new URL("../docs/timing.md", import.meta.url);
const images = new URL("../docs/img/", import.meta.url);
await writeFile(page, withTables(await readFile(page, "utf8"), await documentTables()));
await mkdir(images, { recursive: true });
for (const [name, svg] of Object.entries(await documentPlots())) await writeFile(new URL(name, images), svg);
