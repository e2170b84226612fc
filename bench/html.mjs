// The page: one file, nothing fetched, no script.

import { readFileSync } from "node:fs";
import { ladderBars } from "./bars.mjs";
import { describe } from "./machine.mjs";
import { rooflines } from "./roofline.mjs";
import { RUNGS } from "./rungs.mjs";
import { escapeText } from "./svg.mjs";
import { columnsOf, fixed, rungName, time } from "./table.mjs";

const RUNG_WORDS = {
  javascript: "plain JavaScript",
  scalar: "scalar wasm",
  simd: "SIMD",
  relaxed: "relaxed SIMD",
  wide: "wide: V8 pairs vectors into 256 bits",
  threads: "threads: the best rung in every core",
};

export function page({ about, streamMib, ceilings, climbs }) {
  const style = readFileSync(new URL("page.css", import.meta.url), "utf8");
  const body = [
    "<h1>wasmaverick kernels</h1>",
    ...describe(about, streamMib).map((line) => `<p class="about">${escapeText(line)}</p>`),
    legend(climbs),
    `<h2>Under the roofs</h2><p>A point is a kernel in one rung, a line what this machine reaches in that rung: the slope is reading from L1, the dashed slope reading from memory (relaxed, and all threads), the flat part arithmetic alone. Both axes are logarithmic; point at anything for its numbers.</p>`,
    `<div class="cards">${rooflines({ ceilings, climbs })
      .map(({ title, svg }) => `<figure><figcaption>${escapeText(title)}</figcaption>${svg}</figure>`)
      .join("")}</div>`,
    `<h2>Ceilings</h2><div class="scroll">${ceilingsTable(ceilings)}</div>`,
    "<h2>Ladders</h2><p>Rate, times plain JavaScript, and share of the roof: the larger of what the operations and the bytes of the kernel need at least, in the same rung and with as many threads.</p>",
    ...groups(climbs).map(
      ([group, members]) => `<h3>${escapeText(group)}</h3><div class="cards">${members.map(card).join("")}</div>`,
    ),
    `<h2>All rows</h2><details><summary>${climbs.length} kernels</summary><div class="scroll">${rowsTable(climbs)}</div></details>`,
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>wasmaverick kernels</title><style>${style}</style></head><body><main>${body.join("\n")}</main></body></html>
`;
}

function legend(climbs) {
  const rows = climbs.flatMap((one) => one.rows);
  const items = RUNGS.map((rung) => {
    const missing =
      rows.every((row) => row.rung !== rung || row.missing) && rows.find((row) => row.rung === rung)?.missing;
    const words = missing ? `${rung}: not here (${missing})` : RUNG_WORDS[rung];
    return `<li class="${rung}${missing ? " missing" : ""}">${escapeText(words)}</li>`;
  });
  return `<ul class="legend">${items.join("")}</ul>`;
}

function groups(climbs) {
  const found = new Map();
  for (const one of climbs) {
    const [{ group }] = one.rows;
    found.set(group, [...(found.get(group) ?? []), one]);
  }
  return [...found];
}

function card(one) {
  const [{ kernel, shape }] = one.rows;
  const failures = one.failures.map((text) => `<p class="failed">${escapeText(text)}</p>`).join("");
  return `<figure><figcaption><b>${escapeText(kernel)}</b> ${escapeText(shape)}</figcaption>${ladderBars(one)}${failures}</figure>`;
}

function table(titles, lines) {
  const cells = (tag, values) => values.map((value) => `<${tag}>${escapeText(value ?? "")}</${tag}>`).join("");
  return `<table><thead><tr>${cells("th", titles)}</tr></thead><tbody>${lines.map((line) => `<tr>${cells("td", line)}</tr>`).join("")}</tbody></table>`;
}

function ceilingsTable({ rows }) {
  const columns = columnsOf(rows);
  const roofs = [...new Set(rows.map(({ roof }) => roof))];
  return table(
    ["", "", ...columns.map(({ title }) => title)],
    roofs.map((roof) => {
      const find = ({ rung, threads }) =>
        rows.find((row) => row.roof === roof && row.rung === rung && row.threads === threads);
      return [
        ...[roof, rows.find((row) => row.roof === roof).unit],
        ...columns.map((column) => (find(column) ? fixed(find(column).best) : "")),
      ];
    }),
  );
}

function rowsTable(climbs) {
  return table(
    ["kernel", "shape", "rung", "best", "median", "G/s", "GB/s", "of its roof", "x JavaScript"],
    climbs.flatMap(({ rows }) =>
      rows.map((row) =>
        row.missing
          ? [row.kernel, row.shape, row.rung, row.missing]
          : [
              ...[row.kernel, row.shape, rungName(row), time(row.best), time(row.median)],
              row.rate && `${fixed(row.rate)} ${row.unit}`,
              row.gbs && fixed(row.gbs),
              row.roof && `${(row.ofRoof * 100).toFixed(0)} % ${row.roof}`,
              row.times && fixed(row.times),
            ],
      ),
    ),
  );
}
