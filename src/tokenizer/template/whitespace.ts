/** Space as Python has it. */

/** What `str.isspace` says: unlike JavaScript's, with U+001C..1F and U+0085, without U+FEFF. For regular expressions. */
export const SPACES = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const SPACE = new RegExp(`[${SPACES}]`);

export function isSpace(char: string): boolean {
  const code = char.charCodeAt(0);
  if (code < 0x80) return code === 0x20 || (code >= 9 && code <= 13) || (code >= 0x1c && code < 0x20);
  return SPACE.test(char);
}

/** Where a text ends without the blanks behind it. */
export function endOfText(text: string): number {
  let end = text.length;
  while (end > 0 && isSpace(text[end - 1])) end--;
  return end;
}
