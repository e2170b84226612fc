export function run(
  program: string,
  args: readonly string[],
  options?: { cwd?: string; env?: Record<string, string>; limitMs?: number },
): Promise<string>;
