/** Files that tests make when they first ask for them, in a folder that goes when the process ends. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

let root: string | null = null;

export function materialise(folder: string, files: Iterable<[string, string | Buffer]>): string {
  root ??= temporaryRoot();
  const path = join(root, folder);
  for (const [name, content] of files) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), content);
  }
  return path;
}

function temporaryRoot(): string {
  const path = mkdtempSync(join(tmpdir(), "wasmaverick-golden-"));
  const remove = () => rmSync(path, { recursive: true, force: true });
  process.once("exit", remove);
  // A signal skips "exit", and vitest ends its forks with SIGTERM.
  for (const signal of ["SIGTERM", "SIGINT"] as const)
    process.once(signal, () => {
      remove();
      process.kill(process.pid, signal);
    });
  return path;
}

export function once<T>(make: () => T): () => T {
  let made: { value: T } | null = null;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
