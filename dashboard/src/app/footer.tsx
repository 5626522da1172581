import { apiUrl } from "../shared/api";
import { say } from "../shared/language";
import { LanguageChoice } from "./language-choice";

export function Footer() {
  return (
    <footer className="page muted footer">
      <LanguageChoice />
      <span>
        <a href={apiUrl("/source")}>{say("source")}</a> (AGPL-3.0)
      </span>
    </footer>
  );
}
