export const TYPES: string;
export const REPORT: string;
export function publicTypes(): { text: string; unexported: string[] };
export function reportOf(types: string): string;
