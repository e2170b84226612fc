import { type AdapterInspection, EngineError, inspectAdapter } from "../index.ts";
import { formatBytes, formatColumns, formatCount } from "./format.ts";
import { printable, write } from "./terminal.ts";

/** What no model could be read of may be an adapter: says what is in it. `why`: what to throw where it is none. */
export async function printAdapter(path: string, json: boolean, why: unknown): Promise<void> {
  const adapter = await inspectAs(path, why);
  await write(process.stdout, json ? `${JSON.stringify(adapter)}\n` : printable(describe(adapter)));
}

async function inspectAs(path: string, why: unknown): Promise<AdapterInspection> {
  if (!(why instanceof EngineError) || !["ADAPTER_ALONE", "CHECKPOINT_EMPTY"].includes(why.code)) throw why;
  try {
    return await inspectAdapter(path);
  } catch (error) {
    throw error instanceof EngineError && error.code === "ADAPTER_MISSING" ? why : error;
  }
}

function describe(adapter: AdapterInspection): string {
  const { name, format, base, alpha, ranks, targets, layers, parameters, fileBytes, warnings } = adapter;
  const rows = [
    ["adapter", `${name}, LoRA, ${format}, ${formatBytes(fileBytes)} of tensors`],
    ["base model", base ?? "not said"],
    ["rank", `${ranks.join(", ")}; alpha ${alpha}`],
    ["changes", `${targets.join(", ")} in ${layers} layer${layers === 1 ? "" : "s"}`],
    ["parameters", formatCount(parameters)],
    ...warnings.map((warning) => ["warning", warning]),
  ];
  return formatColumns(rows, "ll");
}
