/** `strftime` in the C locale, as `datetime.now().strftime` gives it: of local time, without a zone. */

const MONTHS = "January February March April May June July August September October November December".split(" ");
const DAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ");

const day = (date: Date): number => Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
const two = (value: number): string => String(value).padStart(2, "0");
const yearDay = (now: Date): number => Math.round((day(now) - day(new Date(now.getFullYear(), 0, 1))) / 864e5);

/** Week of ISO 8601, with the year that it belongs to. */
function isoWeek(now: Date): { year: number; week: number } {
  const weekday = (now.getDay() + 6) % 7;
  const thursday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - weekday + 3);
  return { year: thursday.getFullYear(), week: Math.floor(yearDay(thursday) / 7) + 1 };
}

const PARTS: Readonly<Record<string, string | ((now: Date) => string)>> = {
  Y: (now) => String(now.getFullYear()),
  C: (now) => two(Math.floor(now.getFullYear() / 100)),
  y: (now) => two(now.getFullYear() % 100),
  G: (now) => String(isoWeek(now).year),
  g: (now) => two(isoWeek(now).year % 100),
  V: (now) => two(isoWeek(now).week),
  U: (now) => two(Math.floor((yearDay(now) + 7 - now.getDay()) / 7)),
  W: (now) => two(Math.floor((yearDay(now) + 7 - ((now.getDay() + 6) % 7)) / 7)),
  m: (now) => two(now.getMonth() + 1),
  d: (now) => two(now.getDate()),
  e: (now) => String(now.getDate()).padStart(2),
  j: (now) => String(yearDay(now) + 1).padStart(3, "0"),
  B: (now) => MONTHS[now.getMonth()],
  b: (now) => MONTHS[now.getMonth()].slice(0, 3),
  h: "%b",
  A: (now) => DAYS[now.getDay()],
  a: (now) => DAYS[now.getDay()].slice(0, 3),
  u: (now) => String(now.getDay() || 7),
  w: (now) => String(now.getDay()),
  H: (now) => two(now.getHours()),
  k: (now) => String(now.getHours()).padStart(2),
  I: (now) => two(now.getHours() % 12 || 12),
  l: (now) => String(now.getHours() % 12 || 12).padStart(2),
  p: (now) => (now.getHours() < 12 ? "AM" : "PM"),
  P: (now) => (now.getHours() < 12 ? "am" : "pm"),
  M: (now) => two(now.getMinutes()),
  S: (now) => two(now.getSeconds()),
  f: (now) => String(now.getMilliseconds() * 1000).padStart(6, "0"),
  s: (now) => String(Math.floor(now.getTime() / 1000)),
  z: () => "",
  Z: () => "",
  c: "%a %b %e %H:%M:%S %Y",
  x: "%m/%d/%y",
  X: "%H:%M:%S",
  r: "%I:%M:%S %p",
  R: "%H:%M",
  T: "%H:%M:%S",
  D: "%m/%d/%y",
  F: "%Y-%m-%d",
  n: () => "\n",
  t: () => "\t",
  "%": () => "%",
};

export function strftime(now: Date, format: string): string {
  return format.replace(/%([-_^#0]?)(.?)/gsu, (all, flag, name) => {
    if (!Object.hasOwn(PARTS, name)) return all; // as the C library does
    const part = PARTS[name];
    const text = typeof part === "string" ? strftime(now, part) : part(now);
    if (flag === "-") return text.replace(/^[0 ]+(?=.)/, "");
    if (flag === "_") return text.replace(/^0+(?=\d)/, (zeros) => " ".repeat(zeros.length));
    if (flag === "0") return text.replace(/^ +(?=\d)/, (blanks) => "0".repeat(blanks.length));
    return flag === "^" || (flag === "#" && /^[\p{L}]/u.test(text)) ? text.toUpperCase() : text;
  });
}
