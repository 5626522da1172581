/** Which language a page begins with, and where the choice is kept: the same for both pages. */
import { chooseLanguage } from "./messages";

const STORED = "language";

/** The languages of files like `./messages/id.json`. */
export function languagesOf(files: readonly string[]): readonly string[] {
  return files.map((file) => file.replace(/^.*\/(.+)\.json$/, "$1")).sort();
}

/** `?language=id` in the address (for a display), else the stored choice, else the browser's. */
export function preferredLanguage(available: readonly string[]): string {
  const named = new URLSearchParams(location.search).get("language");
  return chooseLanguage(available, [named ?? "", stored(), ...navigator.languages]);
}

export function storeLanguage(chosen: string): void {
  try {
    localStorage.setItem(STORED, chosen);
  } catch {
    // Storage is forbidden: the choice lasts as long as the page.
  }
}

function stored(): string {
  try {
    return localStorage.getItem(STORED) ?? "";
  } catch {
    return "";
  }
}
