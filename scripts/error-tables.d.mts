export declare function withTables(
  text: string,
  codes: Readonly<Record<string, string>>,
): { text: string; homeless: string[] };
