export function serveFiles(
  find: (path: string) => { readonly content?: string | Uint8Array | undefined; readonly file?: string | undefined },
  headers?: Readonly<Record<string, string>>,
): Promise<{ readonly origin: string; close(): void }>;
