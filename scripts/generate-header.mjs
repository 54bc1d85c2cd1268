// Writes the C++ headers of the bit layout and of the kernel's configurations, and the kernel's top function for each
// platform, from the TypeScript schema. Run `npm run build` first.
import { mkdir, writeFile } from "node:fs/promises";
import { cppConfigHeader } from "../dist/quant/format/cpp-config.js";
import { cppHeader } from "../dist/quant/format/cpp-header.js";
import { cppTops } from "../dist/quant/format/cpp-top.js";

const folder = new URL("../hls/include/accllm/generated/", import.meta.url);
const tops = new URL("../hls/kernels/top/", import.meta.url);
await writeFile(new URL("format.hpp", folder), cppHeader());
await writeFile(new URL("config.hpp", folder), cppConfigHeader());
await mkdir(tops, { recursive: true });
for (const [name, text] of Object.entries(cppTops())) await writeFile(new URL(name, tops), text);
