export function validates(schema: unknown, value: unknown): boolean;
