/** Text that the format allows; the same wherever it is computed. */
export function answerInFormat(): Promise<string>;
