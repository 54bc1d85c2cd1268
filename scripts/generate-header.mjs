// Writes the C++ headers of the bit layout and of the kernel's configurations from the TypeScript schema. Run
// `npm run build` first.
import { writeFile } from "node:fs/promises";
import { cppConfigHeader } from "../dist/quant/format/cpp-config.js";
import { cppHeader } from "../dist/quant/format/cpp-header.js";

const folder = new URL("../hls/include/accllm/generated/", import.meta.url);
await writeFile(new URL("format.hpp", folder), cppHeader());
await writeFile(new URL("config.hpp", folder), cppConfigHeader());
