// Writes the C++ header of the bit layout from the TypeScript schema. Run `npm run build` first.
import { writeFile } from "node:fs/promises";
import { cppHeader } from "../dist/quant/format/cpp-header.js";

const target = new URL("../hls/include/accllm/generated/format.hpp", import.meta.url);
await writeFile(target, cppHeader());
