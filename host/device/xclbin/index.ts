export { uuidText } from "./bytes.ts";
export { writeXclbin } from "./container.ts";
export type * from "./description.ts";
export { abiKey, emulationXclbin } from "./emulation.ts";
export { readXclbinFile } from "./file.ts";
export { sectionKinds, xclbinLimits, xclbinModes } from "./layout.ts";
export { parseXclbin } from "./reader.ts";
