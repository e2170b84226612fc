export const STATEMENT: RegExp;

export function collectModules(
  root: string,
  entry: string,
  options: { readonly home: string; readonly condition: string },
): Map<string, string | Uint8Array>;
