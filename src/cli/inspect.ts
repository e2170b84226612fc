import { type Inspection, inspect, type ModelConfig } from "../index.ts";
import type { InspectCommand } from "./arguments.ts";
import { formatBytes, formatColumns, formatCount, formatLarge } from "./format.ts";
import { printAdapter } from "./inspect-adapter.ts";
import { modelPath } from "./open-model.ts";
import { printable, stylesOf, write } from "./terminal.ts";

/** `wasmaverick inspect`: what is in a checkpoint, in 80 columns or as JSON. */
export async function printInspection(command: InspectCommand): Promise<void> {
  const path = modelPath(command.model);
  let inspection: Inspection;
  try {
    inspection = await inspect(path);
  } catch (error) {
    return await printAdapter(path, command.json, error);
  }
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
    words(inspection),
    layers(inspection),
    ...vision(inspection),
    ...defaults(inspection),
    memory(inspection),
  ];
  if (inspection.warnings.length > 0) sections.push(labelled(inspection.warnings.flatMap(warning)));
  if (command.tensors) sections.push(tensorList(inspection));
  const { bold } = stylesOf(process.stdout);
  const text = printable(sections.join("\n")).replace(/^\S+/gm, bold);
  await write(process.stdout, text);
}

function title({ name, format, config, fileBytes }: Inspection): string {
  return `${name}  ${format}, ${config.architecture}, ${formatBytes(fileBytes)} of tensors\n`;
}

function parameters({ parameters: { total, active }, classes }: Inspection): string {
  const rows = classes.map(({ class: name, type, tensors, elements, bytes }) => [
    name,
    type,
    `${formatCount(tensors)} tensor${tensors === 1 ? " " : "s"}`,
    formatLarge(elements),
    formatBytes(bytes),
  ]);
  const counts = labelled([["parameters", `${formatCount(total)} total, ${formatCount(active)} active per token`]]);
  return counts + formatColumns(rows, "llrrr", INDENT);
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

/** Tokenizer and chat template. */
function words({ tokenizer, template, templates }: Inspection): string {
  if (!tokenizer) return labelled([["tokenizer", "none that can be used"]]);
  const { kind, rule, size, bos, addBos, stop, special } = tokenizer;
  const named = ({ id, name }: { id: number; name: string }) => `${name} ${id}`;
  const begin = bos ? `${named(bos)}${addBos ? ", in front of a text" : ", not put in front of a text"}` : "none";
  const rows = [
    ["tokenizer", `${kind}${rule === null ? "" : `, rule ${rule}`}, ${formatCount(size)} tokens`],
    ["begin", begin],
    ["end", stop.length > 0 ? stop.map(named).join(", ") : "none"],
    ["special", `${formatCount(special.count)} tokens${special.known.length > 0 ? ", among them" : ""}`],
    ...wrap(special.known.map(named)).map((line) => ["", line]),
  ];
  if (!template) rows.push(["template", "none"]);
  else {
    const family = template.family ? `of the ${template.family} family` : "of no known family";
    rows.push(["template", `${family}, ${formatCount(template.characters)} characters`]);
    if (template.sha256 !== null) rows.push(["", template.sha256]);
  }
  if (templates.length > 1) rows.push(["", `by name: ${templates.map((name) => printable(name)).join(", ")}`]);
  return labelled(rows);
}

function vision({ vision: tower }: Inspection): string[] {
  if (!tower) return [];
  const { name, config, parameters: count, types, positionsPerTile, memory: bytes } = tower;
  const { tileSize, patchSize, layers: depth, hidden, heads } = config;
  return [
    labelled([
      ["vision", `${printable(name)}, ${formatCount(count)} parameters, ${types.join(" and ")}`],
      ["tiles", `${tileSize} x ${tileSize} pixels in patches of ${patchSize}; ${positionsPerTile} positions each`],
      ["", `${depth} layers, hidden ${formatCount(hidden)}, ${heads} heads; ${formatBytes(bytes.total)} of the memory`],
    ]),
  ];
}

/** Of generation, those that the file asks for; no section where it asks for none. */
function defaults({ generationConfig }: Inspection): string[] {
  const asked = Object.entries(generationConfig).filter(([, { from }]) => from !== "default");
  const lines = asked.flatMap(([name, { value, from }]) =>
    wrap([name, printable(JSON.stringify(value)), `(${printable(from)})`], " "),
  );
  return lines.length > 0 ? [labelled(lines.map((line, index) => [index === 0 ? "generation" : "", line]))] : [];
}

/** Beside each other, as many as a line holds. */
function wrap(items: readonly string[], between = "  "): string[] {
  const lines: string[] = [];
  for (const item of items) {
    const longer = lines.length > 0 ? `${lines.at(-1)}${between}${item}` : item;
    if (lines.length > 0 && longer.length <= COLUMNS - LABEL_COLUMNS) lines[lines.length - 1] = longer;
    else lines.push(item);
  }
  return lines;
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

function memory({ memory: { weights, cachePer1024, activations, total, context } }: Inspection): string {
  const { f32, q8 } = cachePer1024;
  const rows = [
    ["weights as packed", formatBytes(weights), ""],
    ["tables, activations", formatBytes(activations), ""],
    ["cache of 1,024 tokens", "f32", "q8"],
  ];
  if (f32.full > 0) rows.push(["  full attention", formatBytes(f32.full), formatBytes(q8.full)]);
  if (f32.chunked > 0) rows.push(["  attention in chunks", formatBytes(f32.chunked), formatBytes(q8.chunked)]);
  const needed = `${formatBytes(total)} with a context of ${formatCount(context)} (f32 cache, 2 threads)`;
  return labelled([["memory", needed]]) + formatColumns(rows, "lrr", INDENT);
}

function warning(text: string): string[][] {
  return wrap(text.split(" "), " ").map((line, index) => [index === 0 ? "warning" : "", line]);
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

const COLUMNS = 80;
const LABEL_COLUMNS = 13;
const INDENT = " ".repeat(LABEL_COLUMNS);

function labelled(rows: readonly (readonly string[])[]): string {
  return rows.map(([label, text]) => `${label.padEnd(LABEL_COLUMNS)}${text}\n`).join("");
}
