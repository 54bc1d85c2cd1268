import type { QuantizeReport, TensorReport } from "../../../quant/passes/quantize.ts";
import type { Sensitivity } from "../../../quant/passes/sensitivity.ts";
import { summaryPairs } from "./quantization.ts";

/** Perplexity of the checkpoint in float32 and of the image, on a text. */
export interface Evaluation {
  readonly text: string;
  readonly tokens: number;
  readonly before: number;
  readonly after: number;
}

/** What a page tells. */
export interface QuantizationPage {
  readonly report: QuantizeReport;
  readonly sensitivity?: Sensitivity | undefined;
  readonly evaluation?: Evaluation | undefined;
}

/** A quantization as one HTML page: no scripts, nothing from elsewhere. */
export function quantizationPage({ report, sensitivity, evaluation }: QuantizationPage): string {
  const losses = new Map(sensitivity?.tensors.map(({ name, losses: all }) => [name, all] as const) ?? []);
  const lossOf = ({ name, format }: TensorReport) => losses.get(name)?.[format];
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(report.image)}: quantization</title>
<style>${style}</style>
<h1>Quantization of ${escaped(fileName(report.image))}</h1>
${pairs(summaryPairs(report))}
<h2>Perplexity</h2>
${perplexityHtml(evaluation)}
<h2>Error by layer</h2>
<p>Root of the squared error over the squared weights; darker is more. A dot marks matrices that are stored as they were.</p>
${errorMap(report.tensors)}
<h2>Bits</h2>
<p>What the weights of each format take, of ${report.bitsPerWeight.toFixed(3)} bits a weight in all.</p>
${bitsBar(report.tensors)}
<h2>Matrices</h2>
<table>
<tr><th>tensor<th>format<th class="n">weights<th class="n">bits a weight<th class="n">relative error${sensitivity ? '<th class="n">loss alone' : ""}
${report.tensors
  .map(
    (tensor) =>
      `<tr><td>${escaped(tensor.name)}<td>${tensor.format}<td class="n">${tensor.weights.toLocaleString("en")}<td class="n">${tensor.bitsPerWeight.toFixed(2)}<td class="n">${tensor.exact ? "exact" : tensor.relativeError.toPrecision(3)}${sensitivity ? `<td class="n">${lossOf(tensor)?.toPrecision(3) ?? "-"}` : ""}`,
  )
  .join("\n")}
</table>
${sensitivity ? `<p>Loss alone: mean KL divergence from the float model, nats a token, with that matrix alone quantized; over ${sensitivity.tokens} tokens.</p>` : ""}
</html>
`;
}

const style = `body{font:15px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse}
td,th{padding:.15rem .8rem .15rem 0;text-align:left;border-bottom:1px solid #e5e5e5}.n{text-align:right}
svg{max-width:100%;height:auto}svg text{font:12px sans-serif;fill:#222}`;

/** Hues of the formats, told apart without red and green (Okabe and Ito). */
const colors = { w2s24: "#0072b2", w2: "#56b4e9", w4: "#e69f00", w8: "#d55e00" } as const;

function pairs(rows: readonly (readonly [string, string])[]): string {
  return `<table>\n${rows.map(([name, value]) => `<tr><th>${escaped(name)}<td>${escaped(value)}`).join("\n")}\n</table>`;
}

function perplexityHtml(evaluation: Evaluation | undefined): string {
  if (evaluation === undefined) return "<p>Not measured: give a text with <code>--evaluate</code>.</p>";
  const { text, tokens, before, after } = evaluation;
  return pairs([
    ["before (float32)", before.toFixed(4)],
    ["after", after.toFixed(4)],
    ["ratio", (after / before).toFixed(4)],
    ["on", `the first ${tokens} tokens of ${text}`],
  ]);
}

const cell = { width: 78, height: 24, left: 62, top: 24 } as const;

/** A row a layer, a column a matrix of it. */
function errorMap(tensors: readonly TensorReport[]): string {
  const placed = tensors.flatMap((tensor) => {
    const [, layer, kind] = /^model\.layers\.(\d+)\.\w+\.(\w+)\.weight$/.exec(tensor.name) ?? [];
    return layer === undefined || kind === undefined ? [] : [{ tensor, layer: Number(layer), kind }];
  });
  const kinds = [...new Set(placed.map(({ kind }) => kind))];
  const layers = 1 + Math.max(-1, ...placed.map(({ layer }) => layer));
  const largest = Math.max(1e-9, ...placed.map(({ tensor }) => tensor.relativeError));
  const cells = placed.map(({ tensor, layer, kind }) => {
    const x = cell.left + cell.width * kinds.indexOf(kind);
    const y = cell.top + cell.height * layer;
    const share = tensor.relativeError / largest;
    const dark = share > 0.6 ? ' style="fill:#fff"' : "";
    return `<rect x="${x}" y="${y}" width="${cell.width - 2}" height="${cell.height - 2}" fill="#0b3d6b" fill-opacity="${(0.04 + 0.9 * share).toFixed(3)}"><title>${escaped(tensor.name)}: ${tensor.format}, ${tensor.relativeError.toPrecision(3)}</title></rect><text x="${x + cell.width / 2 - 1}" y="${y + 15}" text-anchor="middle"${dark}>${tensor.exact ? "•" : tensor.relativeError.toPrecision(2)}</text>`;
  });
  const heads = kinds.map(
    (kind, i) =>
      `<text x="${cell.left + cell.width * (i + 0.5) - 1}" y="16" text-anchor="middle">${escaped(kind)}</text>`,
  );
  const names = Array.from(
    { length: layers },
    (_, layer) => `<text x="0" y="${cell.top + cell.height * layer + 15}">layer ${layer}</text>`,
  );
  const width = cell.left + cell.width * kinds.length;
  const height = cell.top + cell.height * layers;
  return `<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="relative error of every matrix by layer">
${[...heads, ...names, ...cells].join("\n")}
</svg>`;
}

/** One bar of all stored bits, cut by format. */
function bitsBar(tensors: readonly TensorReport[]): string {
  const bits = new Map<TensorReport["format"], number>();
  for (const { format, weights, bitsPerWeight } of tensors) {
    bits.set(format, (bits.get(format) ?? 0) + weights * bitsPerWeight);
  }
  const all = [...bits.values()].reduce((sum, some) => sum + some, 0);
  const width = 700;
  let x = 0;
  const parts = [...bits].map(([format, some], i) => {
    const wide = (width * some) / all;
    const bar = `<rect x="${x.toFixed(1)}" y="0" width="${wide.toFixed(1)}" height="22" fill="${colors[format]}"/>`;
    x += wide;
    const label = `${format}: ${((100 * some) / all).toFixed(1)} % of the bits`;
    return `${bar}<rect x="${175 * i}" y="32" width="12" height="12" fill="${colors[format]}"/><text x="${175 * i + 17}" y="43">${label}</text>`;
  });
  return `<svg viewBox="0 0 ${width} 50" width="${width}" height="50" role="img" aria-label="bits by format">\n${parts.join("\n")}\n</svg>`;
}

function fileName(path: string): string {
  return path.split("/").at(-1) ?? path;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
