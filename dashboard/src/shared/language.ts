/**
 * The page's language, and its texts, numbers and times. Every file in messages/ is a language. English is
 * part of the page; another language is loaded when it is chosen.
 *
 * The language is one for the whole page, like the browser's, so `say` may be called anywhere, but not
 * while a module loads: the language may change later. Then `Speaking` renders the whole page again.
 */
import { languagesOf } from "./language-choice";
import { localeOf, makeWords, type Messages } from "./messages";
import en from "./messages/en.json";

export type Key = keyof typeof en;
type Values = Readonly<Record<string, string | number>>;

const FILES = import.meta.glob<Messages<Key>>(["./messages/*.json", "!./messages/en.json"], {
  import: "default",
});

export const LANGUAGES = languagesOf([...Object.keys(FILES), "./messages/en.json"]);

let language = "en";
let choices = 0;
let words = makeWords(locale(language), en);
const listeners = new Set<() => void>();

/** The message in the page's language, with numbers in its form. */
export function say(key: Key, values?: Values): string {
  return words.say(key, values);
}

/** "1,234.5"; in Indonesian "1.234,5". */
export function number(value: number, digits = 3): string {
  return new Intl.NumberFormat(words.locale, { maximumFractionDigits: digits }).format(value);
}

/** The order of names: Zone 2 before Zone 10. */
export function compareNames(a: string, b: string): number {
  return words.compare(a, b);
}

/** How times are written: "en-GB". */
export function currentLocale(): string {
  return words.locale;
}

export function currentLanguage(): string {
  return language;
}

export function subscribeLanguage(listener: () => void): () => void {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

/** Loads a language and shows the page in it. Returns false if another was chosen meanwhile. Throws if its
 * file cannot be loaded. */
export async function speak(chosen: string): Promise<boolean> {
  const choice = ++choices;
  const messages = chosen === "en" ? en : await FILES[`./messages/${chosen}.json`]?.();
  if (!messages) throw new Error(`there is no language ${chosen}`);
  if (choice !== choices) return false;
  language = chosen;
  words = makeWords(locale(chosen), messages);
  document.documentElement.lang = chosen;
  for (const listener of listeners) listener();
  return true;
}

/** English has the day before the month and 24 hours, which nobody misreads at night. */
function locale(chosen: string): string {
  return chosen === "en" ? "en-GB" : localeOf(chosen, navigator.languages);
}
