import { basename } from "node:path";
import { type Quantized, quantize } from "../index.ts";
import { type QuantizeCommand, STDIO } from "./arguments.ts";
import { formatBytes, formatColumns, formatCount } from "./format.ts";
import type { Interrupts } from "./interrupts.ts";
import { modelPath } from "./open-model.ts";
import { UsageError } from "./split.ts";
import { ProgressBar, printable, write } from "./terminal.ts";

/** `wasmaverick quantize`: a checkpoint as a GGUF file of other types, or on stdout. */
export async function quantizeFile(command: QuantizeCommand, interrupts: Interrupts): Promise<void> {
  const { output, recipe, requantize, threads } = command;
  const piped = output === STDIO;
  if (piped && process.stdout.isTTY)
    throw new UsageError("--output - writes the new file to stdout, got a terminal, expected a pipe or a file there");
  const bar = new ProgressBar(piped ? "stdout" : basename(output));
  const begun = performance.now();
  let done: Quantized;
  try {
    done = await quantize(modelPath(command.model), piped ? stdoutStream() : output, {
      type: recipe,
      requantize,
      ...command.vision,
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
  const { vision: tower } = done;
  const rows = [...rowsOf(done, ""), ...(tower ? rowsOf(tower, "vision tower") : [])];
  await write(piped ? process.stderr : process.stdout, formatColumns(rows, "lrrl", "  "));
  for (const warning of done.warnings) await write(process.stderr, `warning: ${printable(warning)}\n`);
  const name = piped ? "stdout" : printable(output);
  if (tower) await write(process.stderr, `${printable(tower.file)}: ${formatBytes(tower.bytes)}\n`);
  await write(process.stderr, `${name}: ${formatBytes(done.bytes)} in ${seconds.toFixed(1)} s\n`);
}

function rowsOf({ types }: Pick<Quantized, "types">, what: string): string[][] {
  return Object.entries(types).map(([type, { tensors, bytes }]) => [
    ...[type, `${formatCount(tensors)} tensor${tensors === 1 ? "" : "s"}`, formatBytes(bytes)],
    what,
  ]);
}

/** A reader that leaves aborts the command's signal. */
function stdoutStream(): WritableStream<Uint8Array> {
  return new WritableStream({ write: (bytes) => write(process.stdout, bytes) });
}
