import { formatColumns } from "./format.ts";
import { optionsOf } from "./options.ts";

export function helpText(command: "run" | "inspect"): string {
  return `${command === "run" ? RUN : INSPECT}\nOptions (defaults in parentheses):\n${optionLines(command)}`;
}

const RUN = `wasmaverick: runs Llama 4 models.

  wasmaverick [model] [-p "Once upon a time"] [options]   continue a text
  wasmaverick [model] --chat [-p "Hello"] [options]       talk to the model
  wasmaverick inspect [model] [--tensors] [--json]        what is in a file

The model is a GGUF file (the first one where it is split) or a Hugging Face
folder; without one, the storyteller that comes with the sources. Where there
is no -p, the prompt is what is piped in. Only the generated text goes to
stdout, and a newline.
`;

const INSPECT = `wasmaverick inspect: what is in a checkpoint and what it would need.

  wasmaverick inspect [model] [--tensors] [--json]
`;

function optionLines(command: "run" | "inspect"): string {
  const rows = optionsOf(command).map(({ name, short, value, help }) => [
    `${short ? `-${short}, ` : ""}--${name}${value ? ` <${value}>` : ""}`,
    help,
  ]);
  return formatColumns(rows, "ll", "  ");
}
