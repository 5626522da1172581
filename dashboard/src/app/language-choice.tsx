import { useEffect, useRef } from "react";

import { LANGUAGES, say, speak } from "../shared/language";
import { storeLanguage } from "../shared/language-choice";
import { nameOf } from "../shared/messages";
import { useLanguage } from "../shared/use-language";

/** Whether the choice was made here: the page is then rendered anew, and the focus comes back to it. */
let chosenHere = false;

/** The choice of the language, each in its own name. */
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

/** Keeps the present language while the file of the other one cannot be loaded. */
async function choose(language: string): Promise<void> {
  chosenHere = true;
  try {
    if (await speak(language)) storeLanguage(language);
  } catch {
    chosenHere = false;
  }
}
