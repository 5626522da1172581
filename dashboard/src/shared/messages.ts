/**
 * Texts in several languages. Each language is a JSON file of messages, each message a text with
 * `{placeholders}`, or one text per plural form of `{count}`. The browser's Intl knows every language's
 * plurals, numbers and times; a message library would bring its own and cost more than the driver view.
 */
export type Message = string | Readonly<Partial<Record<Intl.LDMLPluralRule, string>>>;
export type Messages<Key extends string> = Readonly<Record<Key, Message>>;
type Values = Readonly<Record<string, string | number>>;

export interface Words<Key extends string> {
  locale: string;
  /** The message, with numbers in the language's form. */
  say: (key: Key, values?: Values) => string;
  number: (value: number) => string;
  /** The order of names: Zone 2 before Zone 10. */
  compare: (a: string, b: string) => number;
  /** "12s ago"; "now" below two seconds. */
  ago: (ms: number) => string;
  /** The time of day in the time zone, with the date unless it is the day of `now_ms`. */
  clock: (time_ms: number, now_ms: number) => string;
}

/** `timeZone`: an IANA name; null, or one that the browser does not know: the browser's own. */
export function makeWords<Key extends string>(
  locale: string,
  messages: Messages<Key>,
  timeZone: string | null = null,
): Words<Key> {
  const numbers = new Intl.NumberFormat(locale);
  const plurals = new Intl.PluralRules(locale);
  const { compare } = new Intl.Collator(locale, { numeric: true });
  const ages = new Intl.RelativeTimeFormat(locale, { style: "narrow", numeric: "auto" });
  const zone = knownZone(timeZone);
  const day = new Intl.DateTimeFormat(locale, { dateStyle: "medium", ...zone });
  const time = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", ...zone });
  const moment = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short", ...zone });
  return {
    locale,
    say: (key, values = {}) => {
      const message = messages[key];
      return filled(typeof message === "string" ? message : chosen(message, plurals, values), (name) => {
        const value = values[name];
        return typeof value === "number" ? numbers.format(value) : value;
      });
    },
    number: (value) => numbers.format(value),
    compare,
    ago: (ms) => ages.format(...agoOf(ms)),
    clock: (time_ms, now_ms) => (day.format(time_ms) === day.format(now_ms) ? time : moment).format(time_ms),
  };
}

/** The first wanted language that there is, also as another region's ("id-ID" finds "id"); else `en`. */
export function chooseLanguage(available: readonly string[], wanted: readonly string[]): string {
  for (const language of wanted) {
    const found = [language, language.split("-")[0]].find((each) => each && available.includes(each));
    if (found) return found;
  }
  return "en";
}

/** The browser's form of the language, which decides how times and numbers look: "en-GB". */
export function localeOf(language: string, wanted: readonly string[]): string {
  const regional = wanted.find((each) => each === language || each.startsWith(`${language}-`));
  return regional !== undefined && isLocale(regional) ? regional : language;
}

/** Some browsers name the system's locale as it is, like "en-US@posix", which Intl refuses. */
function isLocale(name: string): boolean {
  try {
    return Intl.getCanonicalLocales(name).length > 0;
  } catch {
    return false;
  }
}

/** The language's own name for itself: "Bahasa Indonesia". */
export function nameOf(language: string): string {
  return new Intl.DisplayNames([language], { type: "language" }).of(language) ?? language;
}

/** The placeholders of a text, sorted. */
export function placeholders(text: string): string[] {
  return [...new Set([...text.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name))].sort();
}

function chosen(message: Exclude<Message, string>, plurals: Intl.PluralRules, values: Values): string {
  return message[plurals.select(Number(values.count))] ?? message.other ?? "";
}

function filled(text: string, valueOf: (name: string) => string | undefined): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => valueOf(name) ?? whole);
}

function agoOf(ms: number): [number, Intl.RelativeTimeFormatUnit] {
  const seconds = Math.round(ms / 1000);
  if (seconds < 2) return [0, "second"];
  if (seconds < 60) return [-seconds, "second"];
  if (seconds < 3_600) return [-Math.floor(seconds / 60), "minute"];
  if (seconds < 86_400) return [-Math.floor(seconds / 3_600), "hour"];
  return [-Math.floor(seconds / 86_400), "day"];
}

function knownZone(timeZone: string | null): { timeZone?: string } {
  if (timeZone === null) return {};
  try {
    new Intl.DateTimeFormat("en", { timeZone });
    return { timeZone };
  } catch {
    return {};
  }
}
