/** The languages of the driver view: every file in messages/. Adding one adds a language. */
import { chooseLanguage, type Messages, type Words } from "../shared/messages";
import type en from "./messages/en.json";

type Key = keyof typeof en;
export type DriverWords = Words<Key>;

const FILES = import.meta.glob<Messages<Key>>("./messages/*.json", { import: "default" });
const STORED = "language";

export const LANGUAGES: readonly string[] = Object.keys(FILES)
  .map((file) => file.replace(/^.*\/(.+)\.json$/, "$1"))
  .sort();

/** `?language=id` in the address (for a display), else the stored choice, else the browser's. */
export function preferredLanguage(): string {
  const named = new URLSearchParams(location.search).get("language");
  return chooseLanguage(LANGUAGES, [named ?? "", stored(), ...navigator.languages]);
}

export function storeLanguage(chosen: string): void {
  try {
    localStorage.setItem(STORED, chosen);
  } catch {
    // Storage is forbidden: the choice lasts as long as the page.
  }
}

export async function messagesOf(chosen: string): Promise<Messages<Key>> {
  const load = FILES[`./messages/${chosen}.json`];
  if (!load) throw new Error(`there is no language ${chosen}`);
  return load();
}

function stored(): string {
  try {
    return localStorage.getItem(STORED) ?? "";
  } catch {
    return "";
  }
}
