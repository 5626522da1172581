import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { Entrance } from "./app/entrance";
import { ErrorBoundary } from "./app/error-boundary";
import { Speaking } from "./app/speaking";
import { applyTheme, storedTheme } from "./app/theme";
import "./shared/base.css";
import { LANGUAGES, speak } from "./shared/language";
import { preferredLanguage } from "./shared/language-choice";
import { takeReturned } from "./shared/provider";
import { session } from "./shared/session";
import { stream } from "./stream";

applyTheme(storedTheme());

/** The stream starts once the user may look: nobody has to sign in, or somebody has. */
const unsubscribe = session.subscribe(() => {
  const { phase } = session.getState();
  if (phase !== "open" && phase !== "signed-in") return;
  unsubscribe();
  stream.start();
});
stream.subscribe(() => {
  if (stream.getState().connection === "reconnecting") session.check();
});
const returned = takeReturned();
void (returned ? session.finish(returned) : session.load());

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
const page = createRoot(root);
const render = () => {
  page.render(
    <StrictMode>
      <Speaking>
        <ErrorBoundary>
          <Entrance />
        </ErrorBoundary>
      </Speaking>
    </StrictMode>,
  );
};
speak(preferredLanguage(LANGUAGES)).then(render, render); // without its file, the page is in English
