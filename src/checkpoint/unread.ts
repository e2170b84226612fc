import { quoteName } from "../error.ts";
import type { ErrorCode } from "../error-codes.ts";

/** What to say of tensors of types that no weights have here, by name with the type; nothing where there are none. */
export function leftOut(code: ErrorCode, file: string, unread: ReadonlyMap<string, string>): string[] {
  const [first] = unread;
  if (!first) return [];
  const many = `${unread.size} tensors of types that no weights have here are left out`;
  return [`${code}: ${quoteName(file)}: ${many}, ${quoteName(first[0])} (${first[1]}) first`];
}
