/** The driver view `/p/SITE`, and the same for a display at the gate, `/p/SITE/wall`. */
import { preferredLanguage, storeLanguage } from "../shared/language-choice";
import { localeOf, makeWords } from "../shared/messages";
import { followVersions, keepAwake } from "./display";
import { keep, kept, keepShell } from "./keep";
import { LANGUAGES, messagesOf, type DriverWords } from "./language";
import { show, showLanguage, type View } from "./page";
import { Poller } from "./poll";
import { arrowsOf } from "./shown";
import { after, type State } from "./state";
import "./driver.css";

const [, siteId = "", wall] = /^\/p\/([^/]+)(\/wall)?/.exec(location.pathname) ?? [];
const LOAD_AGAIN_MS = 10_000;
let state: State = { ...kept(siteId), link: "connecting" };
let chosen = preferredLanguage(LANGUAGES);
let view: View | null = null;

function draw(): void {
  if (view) show(state, Date.now(), view);
}

async function speak(): Promise<void> {
  const language = chosen;
  const messages = await messagesOf(language);
  if (language !== chosen) return; // another one was chosen in the meantime
  const locale = localeOf(language, navigator.languages);
  const words: DriverWords = makeWords(locale, messages, state.site?.time_zone);
  view = { words, arrows: arrowsOf(location.search) };
  showLanguage(language, words, (next) => {
    storeLanguage(next);
    chosen = next;
    speak().then(store, loadLater);
  });
  draw();
}

const poller = new Poller(`/api/v1/public/${siteId}`, (answer) => {
  const zone = state.site?.time_zone;
  state = after(state, answer, Date.now());
  if (answer.is === "site" || answer.is === "not-public") keep(siteId, state);
  if (state.site && state.site.time_zone !== zone && view) speak().catch(loadLater);
  draw();
});

/** The language's file is missing: no network, or the server has a newer version of the page. */
function loadLater(): void {
  window.setTimeout(() => {
    location.reload();
  }, LOAD_AGAIN_MS);
}

/** Stores the page with its language. Without that, it works only with a network. */
function store(): void {
  keepShell().catch(() => undefined);
}

function loseConnection(): void {
  state = { ...state, link: "lost" };
  draw();
}

function start(): void {
  if (wall) {
    document.documentElement.dataset.view = "wall";
    keepAwake();
    followVersions();
  }
  const manifest = document.createElement("link");
  manifest.rel = "manifest";
  manifest.href = `/p/${siteId}/app.webmanifest`;
  document.head.append(manifest);
  window.addEventListener("online", () => {
    if (wall || document.visibilityState === "visible") poller.now();
  });
  window.addEventListener("offline", loseConnection);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") poller.now();
    else if (!wall) poller.stop();
  });
  window.setInterval(draw, 1_000);
  poller.now();
}

start();
speak().then(store, loadLater);
