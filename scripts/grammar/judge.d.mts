export function judgeOf(schema: unknown): ((text: string) => boolean) | null;
export function validates(schema: unknown, value: unknown): boolean;
