import type { Check } from "../../device/check.ts";
import type { CliContext } from "../context.ts";

import { renderTable } from "./table.ts";

/** One line a check, the hint of a check that is not ok below it. */
export function renderChecks(checks: readonly Check[], colors: CliContext["out"]): string {
  const mark = { ok: colors.green("ok"), warn: colors.yellow("warn"), fail: colors.red("fail") };
  const rows: string[][] = [];
  for (const { check, status, detail, hint } of checks) {
    rows.push([mark[status], check, detail]);
    if (status !== "ok" && hint) rows.push(["", "", colors.dim(hint)]);
  }
  return renderTable(rows);
}
