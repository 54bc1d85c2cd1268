/** A line of a plot, points in the data's units. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** Points instead of a line. */
  readonly marks?: boolean;
}

export interface Plot {
  readonly title: string;
  readonly x: { readonly label: string; readonly ticks: readonly number[]; readonly log?: boolean };
  readonly y: { readonly label: string; readonly ticks: readonly number[]; readonly log?: boolean };
  readonly series: readonly Series[];
}

const width = 760;
const height = 420;
const frame = { left: 70, right: 190, top: 40, bottom: 50 };
/** Colors that tell apart without hue (Okabe and Ito). */
const colors = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

/** A plot as SVG; axes reach from their first to their last tick. */
export function plotSvg({ title, x, y, series }: Plot): string {
  const scale = (axis: Plot["x"], from: number, to: number) => {
    const map = (value: number) => (axis.log ? Math.log(value) : value);
    const first = map(axis.ticks[0]!);
    const last = map(axis.ticks.at(-1)!);
    return (value: number) => from + ((map(value) - first) / (last - first)) * (to - from);
  };
  const sx = scale(x, frame.left, width - frame.right);
  const sy = scale(y, height - frame.bottom, frame.top);
  const at = (value: number) => value.toFixed(1);
  const text = (px: number, py: number, content: string, extra = "") =>
    `<text x="${at(px)}" y="${at(py)}"${extra}>${content.replaceAll("&", "&amp;").replaceAll("<", "&lt;")}</text>`;
  const middle = ' text-anchor="middle"';
  const parts = [
    ...x.ticks.map(
      (t) =>
        `<path class="grid" d="M${at(sx(t))} ${frame.top}V${height - frame.bottom}"/>${text(sx(t), height - frame.bottom + 18, String(t), middle)}`,
    ),
    ...y.ticks.map(
      (t) =>
        `<path class="grid" d="M${frame.left} ${at(sy(t))}H${width - frame.right}"/>${text(frame.left - 8, sy(t) + 4, String(t), ' text-anchor="end"')}`,
    ),
    text(frame.left, 22, title, ' class="title"'),
    text((frame.left + width - frame.right) / 2, height - 10, x.label, middle),
    text(
      0,
      0,
      y.label,
      ` transform="translate(18 ${(height - frame.bottom + frame.top) / 2}) rotate(-90)"${middle}`,
    ),
    ...series.flatMap(({ name, points, marks }, i) => {
      const color = colors[i % colors.length];
      const key = frame.top + 12 + 20 * i;
      const left = width - frame.right + 14;
      return [
        marks
          ? points
              .map(([px, py]) => `<circle cx="${at(sx(px))}" cy="${at(sy(py))}" r="4" fill="${color}"/>`)
              .join("")
          : `<polyline points="${points.map(([px, py]) => `${at(sx(px))},${at(sy(py))}`).join(" ")}" stroke="${color}"/>`,
        marks
          ? `<circle cx="${left + 10}" cy="${key - 4}" r="4" fill="${color}"/>`
          : `<path d="M${left} ${key - 4}h20" stroke="${color}" stroke-width="2"/>`,
        text(left + 26, key, name),
      ];
    }),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img">
<title>${title.replaceAll("&", "&amp;").replaceAll("<", "&lt;")}</title>
<style>text{font:12px sans-serif;fill:#222}.title{font-weight:bold;font-size:14px}.grid{stroke:#ddd}polyline{fill:none;stroke-width:2}</style>
<rect width="${width}" height="${height}" fill="#fff"/>
${parts.join("\n")}
</svg>
`;
}
