import { useEffect, useRef } from "react";

import { LANGUAGES, say, speak } from "../shared/language";
import { storeLanguage } from "../shared/language-choice";
import { nameOf } from "../shared/messages";
import { useLanguage } from "../shared/use-language";

/** Whether the choice was made here. The page is then rendered again, and the focus must return to
 * it. */
let chosenHere = false;

/** Chooses the language. Each is shown by its own name. */
export function LanguageChoice() {
  const language = useLanguage();
  const select = useRef<HTMLSelectElement>(null);
  useEffect(() => {
    if (chosenHere) select.current?.focus({ preventScroll: true });
    chosenHere = false;
  }, []);
  return (
    <label className="language-choice">
      {say("language")}{" "}
      <select
        ref={select}
        value={language}
        onChange={(event) => {
          void choose(event.target.value);
        }}
      >
        {LANGUAGES.map((each) => (
          <option key={each} value={each} lang={each}>
            {nameOf(each)}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Keeps the current language if the file of the other one cannot be loaded. */
async function choose(language: string): Promise<void> {
  chosenHere = true;
  try {
    if (await speak(language)) storeLanguage(language);
  } catch {
    chosenHere = false;
  }
}
