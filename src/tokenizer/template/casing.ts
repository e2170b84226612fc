/** Upper, lower and title case, and what kind of characters a string has, as `str` in Python says. */
import { SPACES } from "./whitespace.ts";

const TITLES: Readonly<Record<string, string>> = {
  ...{ Ǆ: "ǅ", ǅ: "ǅ", ǆ: "ǅ", Ǉ: "ǈ", ǈ: "ǈ", ǉ: "ǈ", Ǌ: "ǋ", ǋ: "ǋ", ǌ: "ǋ", Ǳ: "ǲ", ǲ: "ǲ", ǳ: "ǲ" },
};
const CASED = /\p{Cased}/u;
const DIGITS =
  "\\p{Nd}\\u00b2\\u00b3\\u00b9\\u2070\\u2074-\\u2079\\u2080-\\u2089\\u2460-\\u2468\\u2474-\\u247c\\u2488-\\u2490";
const NUMERALS =
  "\\u3405\\u3483\\u382a\\u3b4d\\u4e00\\u4e03\\u4e07\\u4e09\\u4e5d\\u4e8c\\u4e94\\u516b\\u516d\\u5341\\u56db\\u96f6";

const isCased = (char: string): boolean => CASED.test(char);

function titleChar(char: string): string {
  const upper = char.toUpperCase();
  if (char in TITLES) return TITLES[char];
  // One letter that becomes two: only the first of them is upper case.
  const [first, ...rest] = upper;
  return rest.length > 0 && /^\p{L}/u.test(rest[0]) && isCased(rest[0]) ? first + rest.join("").toLowerCase() : upper;
}

/** `str.title`: a letter after anything but a letter starts a word. */
export function titleWords(text: string): string {
  const lower = text.toLowerCase();
  if (lower.length !== text.length) return [...text].join("").replace(/\p{Cased}[\p{Cased}\p{Mn}]*/gu, title);
  return text.replace(/\p{Cased}+/gu, title);
}

function title(word: string): string {
  const [first, ...rest] = word;
  return titleChar(first) + `a${rest.join("")}`.toLowerCase().slice(1);
}

const TITLE_WORD = new RegExp(`[^-${SPACES}({[<]+`, "gu");

/** The filter `title`: words start after blanks, hyphens and opening brackets only. */
export const titleFilter = (text: string): string =>
  text.replace(TITLE_WORD, (word) => {
    const [first] = word;
    return first.toUpperCase() + word.slice(first.length).toLowerCase();
  });

export function capitalize(text: string): string {
  if (text === "") return "";
  const [first] = text;
  return titleChar(first) + `a${text.slice(first.length)}`.toLowerCase().slice(1);
}

export function swapCase(text: string): string {
  return Array.from(text, (char) => (char === char.toLowerCase() ? char.toUpperCase() : char.toLowerCase())).join("");
}

export const caseFold = (text: string): string => text.replace(/ß|ẞ/g, "ss").toLowerCase().replaceAll("ς", "σ");

const matching = (pattern: RegExp) => (text: string) => pattern.test(text);
const cased = (same: (text: string) => string, wrong: RegExp) => (text: string) =>
  CASED.test(text) && same(text) === text && !wrong.test(text);

function isTitle(text: string): boolean {
  let found = false;
  let before = false;
  for (const char of text) {
    const upper = /[\p{Lu}\p{Lt}]/u.test(char);
    const lower = !upper && char !== char.toUpperCase();
    if (upper ? before : lower && !before) return false;
    found ||= upper || lower;
    before = upper || lower;
  }
  return found;
}

export const KINDS: ReadonlyMap<string, (text: string) => boolean> = new Map([
  ["isdecimal", matching(/^\p{Nd}+$/u)],
  ["isdigit", matching(new RegExp(`^[${DIGITS}]+$`, "u"))],
  ["isnumeric", matching(new RegExp(`^[\\p{N}${NUMERALS}]+$`, "u"))],
  ["isalpha", matching(/^\p{L}+$/u)],
  ["isalnum", matching(new RegExp(`^[\\p{L}\\p{N}${NUMERALS}]+$`, "u"))],
  ["isspace", matching(new RegExp(`^[${SPACES}]+$`))],
  ["isascii", matching(/^[\0-\x7f]*$/)],
  ["isprintable", (text) => !/[^\P{C}]|(?! )\p{Z}/u.test(text)],
  ["isidentifier", matching(/^[\p{XID_Start}_]\p{XID_Continue}*$/u)],
  ["islower", cased((text) => text.toLowerCase(), /\p{Lt}/u)],
  ["isupper", cased((text) => text.toUpperCase(), /\p{Lt}/u)],
  ["istitle", isTitle],
]);
