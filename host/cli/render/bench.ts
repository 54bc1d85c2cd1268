import type { BenchReport, BenchResult } from "../../bench/measure.ts";
import type { CliContext } from "../context.ts";
import { renderTable } from "./table.ts";
import { countOf, formatCount, formatRate } from "./units.ts";

/** A table for people: one case a line. */
export function renderBench(report: BenchReport, colors: CliContext["out"]): string {
  const measured = [...report.prefills, ...report.decodes].some(({ watts }) => watts !== undefined);
  const row = (what: string, detail: string, result: BenchResult) => [
    what,
    detail,
    formatRate(result.tokensPerSecond),
    `± ${formatRate(result.sd)}`,
    formatRate(result.best),
    result.modelledTokensPerSecond === null ? "-" : formatRate(result.modelledTokensPerSecond),
    ...(measured ? [result.watts === undefined ? "-" : formatRate(result.watts)] : []),
    ...(measured ? [result.tokensPerJoule === undefined ? "-" : formatRate(result.tokensPerJoule)] : []),
  ];
  const titles = [
    "",
    "",
    "tokens/s",
    "",
    "best",
    "card, modelled",
    ...(measured ? ["W, sensor", "tokens/J"] : []),
  ];
  const header = titles.map((cell) => colors.dim(cell));
  const table = renderTable(
    [
      header,
      ...report.prefills.map((result) => row("prefill", countOf(result.tokens, "token"), result)),
      ...report.decodes.map((result) => row("decode", `at depth ${formatCount(result.depth)}`, result)),
    ],
    ["left", "left", "right", "left", "right", "right", "right", "right"],
  );
  const how = `${report.device.name} · ${countOf(report.repetitions, "repetition")} · ${countOf(report.decodeTokens, "token")} a decode`;
  return `${table}${colors.dim(how)}\n`;
}

/** RFC 4180, with a header; all numbers are written in full. */
export function renderBenchCsv({ device, prefills, decodes, repetitions }: BenchReport): string {
  const line = (test: string, tokens: number, result: BenchResult) =>
    [
      quoted(device.name),
      test,
      tokens,
      repetitions,
      result.tokensPerSecond,
      result.sd,
      result.best,
      result.modelledTokensPerSecond ?? "",
      result.watts ?? "",
      result.tokensPerJoule ?? "",
    ].join(",");
  return [
    "device,test,tokens,repetitions,tokensPerSecond,sd,best,modelledTokensPerSecond,watts,tokensPerJoule",
    ...prefills.map((result) => line("prefill", result.tokens, result)),
    ...decodes.map((result) => line("decode", result.depth, result)),
    "",
  ].join("\n");
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
