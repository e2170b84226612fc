import { type Inspection, inspect, type ModelConfig } from "../index.ts";
import type { InspectCommand } from "./arguments.ts";
import { formatBytes, formatColumns, formatCount, formatLarge } from "./format.ts";
import { modelPath } from "./open-model.ts";
import { printable, stylesOf, write } from "./terminal.ts";

/** `wasmaverick inspect`: what is in a checkpoint, in 80 columns or as JSON. */
export async function printInspection(command: InspectCommand): Promise<void> {
  const inspection = await inspect(modelPath(command.model));
  if (command.json) {
    const { tensors, ...rest } = inspection;
    await write(
      process.stdout,
      `${JSON.stringify(command.tensors ? inspection : { ...rest, tensorCount: tensors.length })}\n`,
    );
    return;
  }
  const sections = [
    title(inspection),
    parameters(inspection),
    shape(inspection.config),
    layers(inspection),
    memory(inspection),
  ];
  if (inspection.warnings.length > 0) sections.push(labelled(inspection.warnings.map((text) => ["warning", text])));
  if (command.tensors) sections.push(tensorList(inspection));
  const { bold } = stylesOf(process.stdout);
  const text = printable(sections.join("\n")).replace(/^\S+/gm, bold);
  await write(process.stdout, text);
}

function title({ name, format, config, fileBytes }: Inspection): string {
  return `${name}  ${format}, ${config.architecture}, ${formatBytes(fileBytes)} of tensors\n`;
}

function parameters({ parameters: { total, active }, types }: Inspection): string {
  const rows = Object.entries(types).map(([type, { tensors, elements, bytes }]) => {
    return [type, `${formatCount(tensors)} tensors`, formatLarge(elements), formatBytes(bytes)];
  });
  const counts = labelled([["parameters", `${formatCount(total)} total, ${formatCount(active)} active per token`]]);
  return counts + formatColumns(rows, "lrrr", INDENT);
}

function shape(config: ModelConfig): string {
  const { heads, kvHeads, headSize, layers, experts, expertsUsed } = config;
  const mixtures = layers.filter(({ moe }) => moe).length;
  const roped = layers.filter(({ rope }) => rope).length;
  const tied = config.tiedEmbeddings ? ", output tied to the embedding" : "";
  const chunks = config.chunk > 0 ? `, chunks of ${formatCount(config.chunk)}` : "";
  const shared = config.sharedExpert ? " and a shared one" : "";
  const rows = [
    ["vocabulary", `${formatCount(config.vocab)} tokens${tied}`],
    ["context", `${formatCount(config.context)} positions${chunks}`],
    ["hidden", formatCount(config.hidden)],
    [
      "heads",
      `${heads} queries, ${kvHeads} keys and values, of ${headSize}; rotary on ${roped} of ${layers.length} layers`,
    ],
  ];
  if (mixtures < layers.length) rows.push(["dense", `width ${formatCount(config.denseWidth)}`]);
  if (mixtures > 0) {
    const width = formatCount(config.expertWidth);
    rows.push(["experts", `${expertsUsed} of ${experts}${shared}, width ${width}, ${config.router} router`]);
  }
  return labelled(rows);
}

const KINDS = [
  ["d", "dense, attention in chunks"],
  ["D", "dense, full attention"],
  ["m", "mixture of experts, attention in chunks"],
  ["M", "mixture of experts, full attention"],
];
const MAP_COLUMNS = 48;

/** One letter a layer in groups of 8, each line with the number of its first; below, what the letters mean. */
function layers({ layerMap }: Inspection): string {
  const rows: string[][] = [];
  for (let at = 0; at < layerMap.length; at += MAP_COLUMNS) {
    const groups = layerMap.slice(at, at + MAP_COLUMNS).match(/.{1,8}/g) ?? [];
    rows.push([String(at), groups.join(" ")]);
  }
  const counted = KINDS.map(([letter, kind]) => [letter, `${kind} (${layerMap.split(letter).length - 1})`]);
  const legend = counted.filter(([letter]) => layerMap.includes(letter));
  const map = formatColumns(rows, "rl", INDENT);
  return `${labelled([["layers", String(layerMap.length)]])}${map}\n${formatColumns(legend, "ll", INDENT)}`;
}

function memory({ memory: { weights, cachePer1024, total, context } }: Inspection): string {
  const { f32, q8 } = cachePer1024;
  const rows = [
    ["weights as packed", formatBytes(weights), ""],
    ["cache of 1,024 tokens", "f32", "q8"],
  ];
  if (f32.full > 0) rows.push(["  full attention", formatBytes(f32.full), formatBytes(q8.full)]);
  if (f32.chunked > 0) rows.push(["  attention in chunks", formatBytes(f32.chunked), formatBytes(q8.chunked)]);
  const needed = `${formatBytes(total)} with a context of ${formatCount(context)} (f32 cache, 2 threads)`;
  return labelled([["memory", needed]]) + formatColumns(rows, "lrr", INDENT);
}

/** Names last: those of Hugging Face are long. */
function tensorList({ tensors }: Inspection): string {
  const rows = tensors.map(({ name, type, shape: sizes, bytes }) => [
    type,
    sizes.join(" x "),
    formatBytes(bytes),
    name,
  ]);
  return labelled([["tensors", formatCount(tensors.length)]]) + formatColumns(rows, "lrrl", "  ");
}

const LABEL_COLUMNS = 13;
const INDENT = " ".repeat(LABEL_COLUMNS);

function labelled(rows: readonly (readonly string[])[]): string {
  return rows.map(([label, text]) => `${label.padEnd(LABEL_COLUMNS)}${text}\n`).join("");
}
