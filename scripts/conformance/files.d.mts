export function serveFiles(
  contents: ReadonlyMap<string, string | Uint8Array>,
  files: ReadonlyMap<string, string>,
): Promise<{ readonly origin: string; close(): void }>;
