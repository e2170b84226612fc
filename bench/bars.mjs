// The ladder of one kernel as bars from zero: JavaScript is the sliver that it is.

import { attributes, escapeText } from "./svg.mjs";
import { fixed, rungName, time } from "./table.mjs";

const WIDTH = 392;
const STEP = 20;
const LABEL = 92;
const BARS = 100;
/** Right ends of rate, times and share. */
const COLUMNS = [LABEL + BARS + 98, LABEL + BARS + 154, WIDTH];

/** Rate in what the kernel is about: operations, else bytes, else calls. */
function amount({ rate, unit, gbs, best }) {
  if (rate) return [rate, `${fixed(rate)} ${unit}`];
  if (gbs) return [gbs, `${fixed(gbs)} GB/s`];
  return [1 / best, time(best)];
}

export function ladderBars({ rows }) {
  const present = rows.filter(({ missing }) => !missing);
  const most = Math.max(...present.map((row) => amount(row)[0]));
  const bars = present.map((row, index) => {
    const [value, words] = amount(row);
    const y = index * STEP;
    const width = Math.max(1, (value / most) * BARS);
    const said = [
      words,
      row.times ? `${fixed(row.times)} x` : "",
      row.ofRoof ? `${(row.ofRoof * 100).toFixed(0)} %` : "",
    ];
    const note = row.roof ? `${(row.ofRoof * 100).toFixed(0)} % of ${row.roof}` : "";
    return [
      `<g><title>${escapeText(`${rungName(row)}: best ${time(row.best)}, median ${time(row.median)}${note && `, ${note}`}`)}</title>`,
      `<text ${attributes({ x: LABEL - 8, y: y + 14, "text-anchor": "end" })}>${escapeText(rungName(row))}</text>`,
      `<rect ${attributes({ class: `bar ${row.rung}`, x: LABEL, y: y + 4, width: Math.round(width * 10) / 10, height: 12, rx: 2 })}/>`,
      `<text ${attributes({ class: "value", x: COLUMNS[0], y: y + 14, "text-anchor": "end" })}>${escapeText(said[0])}</text>`,
      `<text ${attributes({ class: "value", x: COLUMNS[1], y: y + 14, "text-anchor": "end" })}>${escapeText(said[1])}</text>`,
      `<text ${attributes({ x: COLUMNS[2], y: y + 14, "text-anchor": "end" })}>${escapeText(said[2])}</text></g>`,
    ].join("");
  });
  const height = present.length * STEP;
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="ladder">${bars.join("")}</svg>`;
}
