// Writes bitstreams/<platform>.cfg from quant/format/platform.ts; needs `npm run build` before.
import { writeFileSync } from "node:fs";

const { linkConfig } = await import("../dist/host/toolchain/link-config.js");
const { platforms } = await import("../dist/quant/format/platform.js");
for (const platform of Object.values(platforms)) {
  if (platform.shell === "") continue;
  writeFileSync(new URL(`../bitstreams/${platform.name}.cfg`, import.meta.url), linkConfig(platform));
}
