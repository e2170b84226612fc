import { basename } from "node:path";
import { type Quantized, quantize } from "../index.ts";
import type { QuantizeCommand } from "./arguments.ts";
import { formatBytes, formatColumns, formatCount } from "./format.ts";
import type { Interrupts } from "./interrupts.ts";
import { modelPath } from "./open-model.ts";
import { ProgressBar, printable, write } from "./terminal.ts";

/** `wasmaverick quantize`: a checkpoint as a GGUF file of other types. */
export async function quantizeFile(command: QuantizeCommand, interrupts: Interrupts): Promise<void> {
  const { output, recipe, threads } = command;
  const bar = new ProgressBar(basename(output));
  const begun = performance.now();
  let done: Quantized;
  try {
    done = await quantize(modelPath(command.model), output, {
      type: recipe,
      ...(threads !== undefined && { threads }),
      signal: interrupts.signal,
      onProgress: ({ loaded, total, tensor }) =>
        bar.draw(loaded / total, `of ${formatBytes(total)}  ${printable(tensor)}`),
    });
  } finally {
    bar.erase();
  }
  const seconds = (performance.now() - begun) / 1000;
  if (command.json) {
    await write(process.stdout, `${JSON.stringify({ file: output, recipe, seconds, ...done })}\n`);
    return;
  }
  const rows = Object.entries(done.types).map(([type, { tensors, bytes }]) => [
    type,
    `${formatCount(tensors)} tensors`,
    formatBytes(bytes),
  ]);
  await write(process.stdout, formatColumns(rows, "lrr", "  "));
  for (const warning of done.warnings) await write(process.stderr, `warning: ${printable(warning)}\n`);
  await write(process.stderr, `${printable(output)}: ${formatBytes(done.bytes)} in ${seconds.toFixed(1)} s\n`);
}
