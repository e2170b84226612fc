export function randomSchema(random: () => number, most?: number): Record<string, unknown>;
