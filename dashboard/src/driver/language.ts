/** The languages of the driver view: every file in messages/. Adding one adds a language. */
import { languagesOf } from "../shared/language-choice";
import type { Messages, Words } from "../shared/messages";
import type en from "./messages/en.json";

type Key = keyof typeof en;
export type DriverWords = Words<Key>;

const FILES = import.meta.glob<Messages<Key>>("./messages/*.json", { import: "default" });

export const LANGUAGES = languagesOf(Object.keys(FILES));

export async function messagesOf(chosen: string): Promise<Messages<Key>> {
  const load = FILES[`./messages/${chosen}.json`];
  if (!load) throw new Error(`there is no language ${chosen}`);
  return load();
}
