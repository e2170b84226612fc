// The roofline picture (Williams, Waterman, Patterson 2009): what a kernel reaches over the operations it makes of a byte.
// One picture an arithmetic, drawn at the size it is shown, so that its text stays legible on a phone.

import { roofOf } from "./ceilings.mjs";
import { attributes, escapeText } from "./svg.mjs";
import { fixed, rungName } from "./table.mjs";

const WIDTH = 392;
const HEIGHT = 330;
const FRAME = { left: 40, right: 10, top: 12, bottom: 44 };
const LABEL_HEIGHT = 16;
const KINDS = [
  { title: "f32", of: ["f32", "fused"], roof: "fused", unit: "GFLOP/s", x: [1 / 16, 16] },
  { title: "i16 dots (q8_0, iq4_nl)", of: ["i16"], roof: "i16", unit: "GOP/s", x: [1 / 2, 32] },
  { title: "i8 dots (q4, q5, q6)", of: ["i8"], roof: "i8", unit: "GOP/s", x: [1, 64] },
];

export function rooflines({ ceilings, climbs }) {
  return KINDS.map((kind) => panel(kind, ceilings, climbs)).filter((picture) => picture !== undefined);
}

function panel(kind, ceilings, climbs) {
  const points = climbs
    .flatMap(({ rows }) => rows)
    .filter((row) => kind.of.includes(row.arithmetic) && row.intensity && row.rate);
  if (points.length === 0) return undefined;
  const roofs = roofsOf(kind, ceilings, points);
  const top = Math.max(...roofs.map(({ peak }) => peak), ...points.map(({ rate }) => rate));
  const low = Math.min(...points.map(({ rate }) => rate));
  const scale = scales(kind.x, [10 ** Math.floor(Math.log10(low * 0.9)), 10 ** (Math.log10(top) + 0.16)]);
  const marks = [
    ...grid(scale, kind),
    ...roofs.flatMap((roof) => roofLine(roof, scale, kind)),
    ...points.map((row) => dot(row, scale)),
    ...roofLabels(roofs, scale),
  ];
  return {
    title: kind.title,
    svg: `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="roofline, ${kind.title}">${marks.join("")}</svg>`,
  };
}

function scales([left, right], [bottom, top]) {
  const across = (value, from, to, begin, end) =>
    begin + (Math.log(value / from) / Math.log(to / from)) * (end - begin);
  return {
    x: (value) => across(value, left, right, FRAME.left, WIDTH - FRAME.right),
    y: (value) => across(value, bottom, top, HEIGHT - FRAME.bottom, FRAME.top),
    left,
    right,
    bottom,
    top,
  };
}

/** Of each rung that has points; of threads the highest that any kernel is held against. */
function roofsOf({ roof }, ceilings, points) {
  const found = new Map();
  for (const row of points) {
    const peak = ceilings.of(row.of, row.threads, roofOf(row.of, roof));
    if (row.rung === "javascript" || !peak || found.get(row.rung)?.peak >= peak) continue;
    const [near, far] = ["L1 read", "memory read"].map((level) => ceilings.of(row.of, row.threads, level));
    found.set(row.rung, { rung: row.rung, name: rungName(row), peak, near, far });
  }
  return [...found.values()].sort((a, b) => b.peak - a.peak);
}

function roofLine({ rung, name, peak, near, far }, scale, { unit }) {
  const line = (classes, slope, end, said) => {
    const ridge = peak / slope;
    const points = [Math.max(scale.left, scale.bottom / slope), ridge, end]
      .filter((x) => x >= scale.left && x <= end)
      .map((x) => `${at(scale.x(x))} ${at(scale.y(Math.min(peak, x * slope)))}`);
    return `<path ${attributes({ class: `roof ${classes}`, d: `M${points.join("L")}` })}><title>${escapeText(said)}</title></path>`;
  };
  const lines = [line(rung, near, scale.right, `${name}: ${fixed(peak)} ${unit}; L1 ${fixed(near)} GB/s`)];
  // Memory for these two alone, or the picture is all lines.
  if (rung === "relaxed" || rung === "threads") {
    lines.push(line(`memory ${rung}`, far, Math.min(peak / far, scale.right), `${name}: memory ${fixed(far)} GB/s`));
  }
  return lines;
}

/** Names of the flat parts; those that lie on each other share one. */
function roofLabels(roofs, { x, y, right }) {
  const together = [];
  for (const roof of roofs) {
    const last = together.at(-1);
    if (last && last[0].peak / roof.peak < 1.1) last.push(roof);
    else together.push([roof]);
  }
  return together.map((members, index) => {
    const words = `${members.map(({ name }) => name).join(", ")} ${fixed(members[0].peak)}`;
    const line = y(members[0].peak);
    const crowded = index > 0 && line - y(together[index - 1][0].peak) < LABEL_HEIGHT;
    return text(at(x(right)), at(line + (crowded ? 11 : -4)), words, "end", `label ${members[0].rung}`);
  });
}

function grid({ x, y, left, right, bottom, top }, { unit }) {
  const marks = [];
  for (let power = Math.ceil(Math.log2(left)); 2 ** power <= right; power++) {
    const across = at(x(2 ** power));
    marks.push(
      `<line ${attributes({ class: "grid", x1: across, x2: across, y1: FRAME.top, y2: HEIGHT - FRAME.bottom })}/>`,
    );
    const label = power < 0 ? `1/${2 ** -power}` : `${2 ** power}`;
    if (power % 2 === 0) marks.push(text(across, HEIGHT - FRAME.bottom + 17, label, "middle"));
  }
  for (let power = Math.ceil(Math.log10(bottom)); 10 ** power <= top; power++) {
    const up = at(y(10 ** power));
    marks.push(`<line ${attributes({ class: "grid", x1: FRAME.left, x2: WIDTH - FRAME.right, y1: up, y2: up })}/>`);
    marks.push(text(FRAME.left - 6, up + 4, `${10 ** power}`, "end"));
  }
  marks.push(text(WIDTH - FRAME.right, HEIGHT - 8, "operations a byte", "end"));
  marks.push(text(4, HEIGHT - 8, unit, "start"));
  return marks;
}

function dot(row, { x, y, left, right }) {
  const { kernel, shape, rung, intensity, rate, unit, ofRoof, roof } = row;
  const said = `${kernel}, ${shape}\n${rungName(row)}: ${fixed(rate)} ${unit}, ${fixed(intensity)} operations a byte${roof ? `\n${(ofRoof * 100).toFixed(0)} % of ${roof}` : ""}`;
  const across = x(Math.min(Math.max(intensity, left), right));
  return `<circle ${attributes({ class: `dot ${rung}`, cx: at(across), cy: at(y(rate)), r: 3.5 })}><title>${escapeText(said)}</title></circle>`;
}

const at = (value) => Math.round(value * 10) / 10;
const text = (x, y, words, anchor, classes = "") =>
  `<text ${attributes({ class: classes, x, y, "text-anchor": anchor })}>${escapeText(words)}</text>`;
