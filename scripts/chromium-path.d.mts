export const NAMES: readonly string[];
export function findChromium(): string | undefined;
