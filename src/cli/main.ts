#!/usr/bin/env node
import { readFile } from "node:fs/promises";
import { EngineError } from "../error.ts";
import { parseCommand } from "./arguments.ts";
import { batch } from "./batch.ts";
import { bench } from "./bench.ts";
import { helpText } from "./help.ts";
import { printInspection } from "./inspect.ts";
import { Interrupts } from "./interrupts.ts";
import { perplexity } from "./perplexity.ts";
import { quantizeFile } from "./quantize.ts";
import { printQueue } from "./queue-status.ts";
import { run } from "./run.ts";
import { serve } from "./serve.ts";
import { UsageError } from "./split.ts";
import { printable, write } from "./terminal.ts";
import { work } from "./work.ts";

/**
 * `wasmaverick`: generated text (or what was asked for: JSON, help, an inspection, speeds) on stdout, everything else on stderr.
 * Exit codes: 0 done, also when the reader of stdout left; 1 the engine refused; 2 the command line is wrong; 130 and 143
 * ended by SIGINT and SIGTERM. Nothing calls `process.exit` while output may be pending, a second signal apart.
 */
async function main(argv: readonly string[]): Promise<void> {
  const interrupts = new Interrupts();
  try {
    const command = parseCommand(argv);
    if (command.name === "help") await write(process.stdout, helpText(command.of));
    else if (command.name === "version") await write(process.stdout, `wasmaverick ${await version()}\n`);
    else if (command.name === "inspect") {
      // Reading a header cannot be aborted, and leaves nothing behind.
      interrupts.signal.addEventListener("abort", () => process.exit(interrupts.exitCode ?? 1));
      await printInspection(command);
    } else if (command.name === "perplexity") await perplexity(command, interrupts);
    else if (command.name === "quantize") await quantizeFile(command, interrupts);
    else if (command.name === "serve") await serve(command, interrupts);
    else if (command.name === "batch") await batch(command, interrupts);
    else if (command.name === "work") await work(command, interrupts);
    else if (command.name === "queue") await printQueue(command);
    else if (command.name === "bench") await bench(command, interrupts);
    else await run(command, interrupts);
  } catch (error) {
    if (!interrupts.signal.aborted) process.exitCode = await report(error, argv.includes("--verbose"));
  } finally {
    if (interrupts.exitCode !== null) process.exitCode = interrupts.exitCode;
  }
}

/** One line on stderr; the exit code. */
async function report(error: unknown, verbose: boolean): Promise<number> {
  const known = error instanceof EngineError || error instanceof UsageError;
  const message = error instanceof Error ? error.message : String(error);
  await write(process.stderr, `wasmaverick: ${known ? "" : "unexpected: "}${printable(message)}\n`);
  if (verbose && !(error instanceof UsageError)) console.error(error);
  return error instanceof UsageError ? 2 : 1;
}

async function version(): Promise<string> {
  const text = await readFile(new URL("../../../package.json", import.meta.url), "utf8");
  return JSON.parse(text).version;
}

await main(process.argv.slice(2));
